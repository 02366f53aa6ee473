#include "scan/ip.h"

#include <arpa/inet.h>

static const guint8 mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* "192": up to three digits.  Returns: what follows them, NULL where it is no byte's number. */
static inline const gchar *
parse_byte(const gchar *at, const gchar *end, guint8 *out)
{
  guint number, digit;

  if (at == end || (number = (guint) *at - '0') > 9)
    return NULL;
  if (++at < end && (digit = (guint) *at - '0') <= 9)
    {
      number = number * 10 + digit;
      if (++at < end && (digit = (guint) *at - '0') <= 9)
        {
          number = number * 10 + digit;
          at++;
        }
    }
  *out = number;
  return number <= 255 ? at : NULL;
}

static gboolean
parse_v4(MtSpan text, guint8 out[4])
{
  const gchar *at = text.at, *end = text.at + text.len;

  for (gint i = 0; i < 4; i++)
    {
      if (i && (at == end || *at++ != '.'))
        return FALSE;
      at = parse_byte(at, end, &out[i]);
      if (!at)
        return FALSE;
    }
  return at == end;
}

/* inet_pton() wants a NUL-terminated string and knows no zone. */
static gboolean
parse_v6(MtSpan text, MtIp *out)
{
  gchar buffer[MT_IP_TEXT_BYTES];
  const gchar *zone = memchr(text.at, '%', text.len);

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
  if (!parse_v4(text, ip.b + 12) && (!memchr(text.at, ':', text.len) || !parse_v6(text, &ip)))
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
