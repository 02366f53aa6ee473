#include "scan/ip.h"

#include <arpa/inet.h>

static const guint8 mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

#define V4_MIN_BYTES 7
#define V4_MAX_BYTES 15

/* All of the text, and NULs behind it. */
static inline MtBlock
load_v4(MtSpan text)
{
  typedef guint64 Words __attribute__((vector_size(MT_BLOCK_BYTES)));
  guint64 low = mt_word_load_some(text.at, text.len), high = 0;

  if (text.len > MT_WORD_BYTES)
    high = mt_word_load(text.at + text.len - MT_WORD_BYTES) >> 8 * (2 * MT_WORD_BYTES - text.len);
  return (MtBlock) (Words){ GUINT64_TO_LE(low), GUINT64_TO_LE(high) };
}

/* By two stores: what loads it all at once waits for many small ones. */
static inline void
set_v4(MtIp *out, guint32 address)
{
  guint64 words[2] = { 0, GUINT64_TO_BE(G_GUINT64_CONSTANT(0xffff00000000) | address) };

  memcpy(out->b, words, sizeof words);
}

/* What the last @digits of three bytes say. */
static inline guint
v4_number(guint32 bytes, guint digits)
{
  static const guint32 masks[] = { 0, 0x0f0000, 0x0f0f00, 0x0f0f0f };

  bytes &= masks[digits];
  return (bytes >> 16) + (bytes >> 8 & 0xff) * 10 + (bytes & 0xff) * 100;
}

/* "192.0.2.1", without a branch for how many digits each number has: no processor guesses
 * them. */
static gboolean
parse_v4(MtSpan text, MtIp *out)
{
  MtBlock block;
  gchar bytes[MT_BLOCK_BYTES];
  guint dots, first, from, over;
  guint32 word, all;

  if (text.len < V4_MIN_BYTES || text.len > V4_MAX_BYTES)
    return FALSE;
  block = load_v4(text);
  dots = mt_block_mask((MtBlock) (block == mt_block_of('.')));
  if ((dots | mt_block_mask((MtBlock) (block - '0' < 10))) != (1u << text.len) - 1)
    return FALSE;
  memcpy(bytes, &block, sizeof bytes);
  dots |= 1u << text.len; /* the last number ends as the others do */
  first = __builtin_ctz(dots);
  if (first - 1 > 2)
    return FALSE;
  memcpy(&word, bytes, sizeof word);
  all = over = v4_number(GUINT32_FROM_LE(word) << 8 * (3 - first), first);
  from = first + 1;
  for (gint i = 1; i < 4; i++)
    {
      guint end, number;

      dots &= dots - 1;
      if (!dots || (end = __builtin_ctz(dots)) - from - 1 > 2)
        return FALSE;
      memcpy(&word, bytes + end - 3, sizeof word); /* and the dot, or a NUL */
      number = v4_number(GUINT32_FROM_LE(word), end - from);
      all = all << 8 | number;
      over |= number;
      from = end + 1;
    }
  if ((dots & (dots - 1)) != 0 || over > 255)
    return FALSE;
  set_v4(out, all);
  return TRUE;
}

/* Of one to four digits, what they say. */
static inline const gchar *
parse_v6_group(const gchar *at, const gchar *end, guint *out)
{
  const gchar *start = at;
  guint group = 0;

  for (; at < end && mt_is_class(*at, MT_CHAR_HEX); at++)
    group = (group << 4) + ((guint) *at & 15) + (*at > '9' ? 9 : 0);
  *out = group;
  return at > start && at - start <= 4 ? at : NULL;
}

/* "2001:db8::25", as most are: groups of digits, and one gap at most. */
static gboolean
parse_v6_groups(MtSpan text, MtIp *out)
{
  const gchar *at = text.at, *end = text.at + text.len;
  gint n = 0, gap = -1;
  guint8 bytes[16] = { 0 };
  guint group;

  if (text.len >= 2 && at[0] == ':' && at[1] == ':')
    gap = 0, at += 2;
  while (at < end)
    {
      if (n == 16 || !(at = parse_v6_group(at, end, &group)))
        return FALSE;
      bytes[n++] = group >> 8;
      bytes[n++] = group;
      if (at == end)
        break;
      if (*at++ != ':' || at == end || (*at == ':' && gap >= 0))
        return FALSE;
      if (*at == ':')
        gap = n, at++;
    }
  if (gap < 0 ? n < 16 : n == 16)
    return FALSE;
  for (gint to = 15; gap >= 0 && n > gap; to--) /* what stands behind the gap goes to the end */
    {
      bytes[to] = bytes[--n];
      bytes[n] = 0;
    }
  memcpy(out->b, bytes, sizeof bytes);
  return TRUE;
}

/* inet_pton() wants a NUL-terminated string and knows no zone. */
static gboolean
parse_v6(MtSpan text, MtIp *out)
{
  gchar buffer[MT_IP_TEXT_BYTES];
  const gchar *zone;
  MtIp ip;

  if (parse_v6_groups(text, out))
    return TRUE;
  zone = memchr(text.at, '%', text.len);

  if (zone)
    text.len = zone - text.at;
  if (text.len >= sizeof buffer)
    return FALSE;
  memcpy(buffer, text.at, text.len);
  buffer[text.len] = '\0';
  if (inet_pton(AF_INET6, buffer, ip.b) != 1)
    return FALSE;
  *out = ip;
  return TRUE;
}

gboolean
mt_ip_parse(MtSpan text, MtIp *out)
{
  if (text.len > 5 && text.at[4] == ':'
      && mt_span_equal_nocase(mt_span(text.at, 5), MT_SPAN("IPv6:")))
    text = mt_span(text.at + 5, text.len - 5);
  if (text.len < 2)
    return FALSE;
  return parse_v4(text, out)
         || (mt_find_char(text.at, text.at + text.len, ':') && parse_v6(text, out));
}

gboolean
mt_ip_is_v4(const MtIp *ip)
{
  return memcmp(ip->b, mapped_prefix, 12) == 0;
}

static gchar *
put_decimal(gchar *to, guint number)
{
  if (number >= 100)
    *to++ = '0' + number / 100;
  if (number >= 10)
    *to++ = '0' + number / 10 % 10;
  *to++ = '0' + number % 10;
  return to;
}

static gchar *
put_v4(gchar *to, const guint8 b[4])
{
  for (gint i = 0; i < 4; i++)
    {
      if (i)
        *to++ = '.';
      to = put_decimal(to, b[i]);
    }
  return to;
}

static gchar *
put_hex(gchar *to, guint number)
{
  gint shift = number > 0xfff ? 12 : number > 0xff ? 8 : number > 0xf ? 4 : 0;

  for (; shift >= 0; shift -= 4)
    *to++ = "0123456789abcdef"[number >> shift & 0xf];
  return to;
}

/* The longest run of words that are 0, the first of several; @len is 0 where none has two. */
static gint
find_zeros(const guint words[8], gint *len)
{
  gint best = 0;

  *len = 1;
  for (gint i = 0, end; i < 8; i = end + 1)
    {
      for (end = i; end < 8 && !words[end]; end++)
        continue;
      if (end - i > *len)
        {
          best = i;
          *len = end - i;
        }
    }
  if (*len == 1)
    *len = 0;
  return best;
}

/* As inet_ntop() does: the last words of a v4-compatible address (RFC 4291 2.5.5.1) in decimal. */
static gchar *
put_v6(gchar *to, const guint8 b[16])
{
  guint words[8];
  gint zeros, len, i = 0;

  for (gint word = 0; word < 8; word++)
    words[word] = b[2 * word] << 8 | b[2 * word + 1];
  zeros = find_zeros(words, &len);
  while (i < 8)
    {
      if (len && i == zeros)
        {
          *to++ = ':';
          i += len;
          if (i == 8)
            *to++ = ':';
          continue;
        }
      if (i)
        *to++ = ':';
      if (i == 6 && zeros == 0 && len == 6)
        return put_v4(to, b + 12);
      to = put_hex(to, words[i++]);
    }
  return to;
}

gsize
mt_ip_format(const MtIp *ip, gchar text[MT_IP_TEXT_BYTES])
{
  gchar *to = mt_ip_is_v4(ip) ? put_v4(text, ip->b + 12) : put_v6(text, ip->b);

  *to = '\0';
  return to - text;
}

static gboolean
v4_is_internal(const guint8 b[4])
{
  return b[0] == 127 || b[0] == 10 || b[0] == 0 || (b[0] == 172 && (b[1] & 0xf0) == 16)
         || (b[0] == 192 && b[1] == 168) || (b[0] == 169 && b[1] == 254);
}

gboolean
mt_ip_is_loopback(const MtIp *ip)
{
  static const MtIp v6 = { { [15] = 1 } };

  return mt_ip_is_v4(ip) ? ip->b[12] == 127 : mt_ip_equal(ip, &v6);
}

gboolean
mt_ip_is_internal(const MtIp *ip)
{
  static const MtIp unspecified;

  if (mt_ip_is_v4(ip))
    return v4_is_internal(ip->b + 12);
  return mt_ip_is_loopback(ip) || (ip->b[0] & 0xfe) == 0xfc
         || (ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80) || mt_ip_equal(ip, &unspecified);
}

MtIp
mt_ip_source(const MtIp *ip)
{
  MtIp source = *ip;

  if (!mt_ip_is_v4(ip))
    memset(source.b + 8, 0, 8);
  return source;
}

gboolean
mt_network_parse(MtSpan text, MtNetwork *out)
{
  const gchar *slash = text.len ? memchr(text.at, '/', text.len) : NULL;
  MtNetwork network = { .bits = 128 };
  guint64 bits;

  if (!mt_ip_parse(mt_span(text.at, slash ? (gsize) (slash - text.at) : text.len), &network.ip))
    return FALSE;
  if (slash)
    {
      guint base = memchr(text.at, ':', slash - text.at) ? 0 : 96;

      if (!mt_span_to_u64(mt_span(slash + 1, text.at + text.len - slash - 1), &bits)
          || bits > 128 - base)
        return FALSE;
      network.bits = base + bits;
    }
  *out = network;
  return TRUE;
}

gboolean
mt_network_has(const MtNetwork *network, const MtIp *ip)
{
  guint bytes = network->bits / 8, bits = network->bits % 8;

  if (memcmp(network->ip.b, ip->b, bytes) != 0)
    return FALSE;
  return bits == 0 || ((network->ip.b[bytes] ^ ip->b[bytes]) >> (8 - bits)) == 0;
}

gboolean
mt_networks_have(const GArray *networks, const MtIp *ip)
{
  for (guint i = 0; networks && i < networks->len; i++)
    if (mt_network_has(&g_array_index(networks, MtNetwork, i), ip))
      return TRUE;
  return FALSE;
}
