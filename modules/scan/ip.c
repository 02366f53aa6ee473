#include "scan/ip.h"

#include <arpa/inet.h>

static const guint8 mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* "192.0.2.1" is at most that long; of the shortest two words overlap. */
#define V4_MIN_BYTES 7
#define V4_MAX_BYTES 15

/* "192." in the lowest bytes of @word: what it says, and how many bytes it takes.
 * Returns: FALSE where it is no byte's number of one to three digits and a dot. */
static inline gboolean
read_v4_byte(guint32 word, guint8 *out, guint *bytes)
{
  guint32 dots = word ^ 0x2e2e2e2e, digits;
  guint count, number;

  dots = (dots - 0x01010101) & ~dots & 0x80808080;
  if (!dots || !(count = (guint) __builtin_ctz(dots) >> 3))
    return FALSE;
  digits = (word ^ 0x30303030) << 8 * (4 - count); /* zeros in front */
  if (((digits + 0x76767676) | digits) & 0x80808080)
    return FALSE;
  number = (digits >> 24) + (digits >> 16 & 0xff) * 10 + (digits >> 8 & 0xff) * 100;
  *out = number;
  *bytes = count + 1;
  return number <= 255;
}

/* All of the text is in two words, the next byte's lowest: whether numbers have one digit or
 * three is nothing that a processor could guess. */
static gboolean
parse_v4(MtSpan text, guint8 out[4])
{
  guint64 low, high = 0;

  if (text.len < V4_MIN_BYTES || text.len > V4_MAX_BYTES)
    return FALSE;
  low = mt_word_load_some(text.at, text.len);
  if (text.len > MT_WORD_BYTES)
    high = mt_word_load(text.at + text.len - MT_WORD_BYTES) >> 8 * (2 * MT_WORD_BYTES - text.len);
  if (text.len < MT_WORD_BYTES) /* the last number ends as the others do */
    low |= (guint64) '.' << 8 * text.len;
  else
    high |= (guint64) '.' << 8 * (text.len - MT_WORD_BYTES);
  for (gint i = 0; i < 4; i++)
    {
      guint bytes;

      if (!read_v4_byte(low, &out[i], &bytes))
        return FALSE;
      low = low >> 8 * bytes | high << (64 - 8 * bytes);
      high >>= 8 * bytes;
    }
  return (low | high) == 0;
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
  guint8 bytes[16];
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
  memset(out, 0, sizeof *out);
  memcpy(out->b, bytes, gap < 0 ? n : gap);
  if (gap >= 0)
    memcpy(out->b + 16 - (n - gap), bytes + gap, n - gap);
  return TRUE;
}

/* inet_pton() wants a NUL-terminated string and knows no zone. */
static gboolean
parse_v6(MtSpan text, MtIp *out)
{
  gchar buffer[MT_IP_TEXT_BYTES];
  const gchar *zone;

  if (parse_v6_groups(text, out))
    return TRUE;
  zone = memchr(text.at, '%', text.len);

  if (zone)
    text.len = zone - text.at;
  if (text.len >= sizeof buffer)
    return FALSE;
  memcpy(buffer, text.at, text.len);
  buffer[text.len] = '\0';
  return inet_pton(AF_INET6, buffer, out->b) == 1;
}

gboolean
mt_ip_parse(MtSpan text, MtIp *out)
{
  MtIp ip;

  if (text.len > 5 && text.at[4] == ':'
      && mt_span_equal_nocase(mt_span(text.at, 5), MT_SPAN("IPv6:")))
    text = mt_span(text.at + 5, text.len - 5);
  if (text.len < 2)
    return FALSE;
  memcpy(ip.b, mapped_prefix, 12);
  if (!parse_v4(text, ip.b + 12)
      && (!mt_find_char(text.at, text.at + text.len, ':') || !parse_v6(text, &ip)))
    return FALSE;
  *out = ip;
  return TRUE;
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

gsize
mt_ip_format(const MtIp *ip, gchar text[MT_IP_TEXT_BYTES])
{
  gchar *to = text;

  if (!mt_ip_is_v4(ip))
    {
      inet_ntop(AF_INET6, ip->b, text, MT_IP_TEXT_BYTES);
      return strlen(text);
    }
  for (gint i = 12; i < 16; i++)
    {
      if (i > 12)
        *to++ = '.';
      to = put_decimal(to, ip->b[i]);
    }
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
