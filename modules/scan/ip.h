/* ip.h: addresses as sixteen bytes, and networks of them
 *
 * Layer: scan.  Concurrency: any thread; functions touch only their arguments.
 *
 * IPv4 is kept v4-mapped (::ffff:a.b.c.d, RFC 4291 2.5.5.2), so one comparison
 * serves both families.  Text is only for the edges.
 */
#ifndef MT_SCAN_IP_H
#define MT_SCAN_IP_H

#include "scan/span.h"

/* Longest text of an address, and its NUL. */
#define MT_IP_TEXT_BYTES 46

typedef struct
{
  guint8 b[16];
} MtIp;

typedef struct
{
  MtIp ip;
  guint bits; /* of 128; an IPv4 /24 is 120 */
} MtNetwork;

/* mt_ip_parse: reads all of @text: IPv4 dotted, IPv6 in any RFC 4291 form, also
 * with "IPv6:" in front (RFC 5321 4.1.3) or a %zone behind, which is dropped.
 * Returns: FALSE if it is no address; @out is then unchanged. */
gboolean mt_ip_parse(MtSpan text, MtIp *out);

/* mt_ip_format: writes the shortest text (RFC 5952) and returns its length. */
gsize mt_ip_format(const MtIp *ip, gchar text[MT_IP_TEXT_BYTES]);

/* mt_ip_is_v4: it is v4-mapped. */
gboolean mt_ip_is_v4(const MtIp *ip);

/* mt_ip_is_internal: loopback, private (RFC 1918), link-local, ULA, unspecified:
 * addresses that say nothing of where in the world a client is. */
gboolean mt_ip_is_internal(const MtIp *ip);

/* mt_ip_is_loopback: 127.0.0.0/8 or ::1. */
gboolean mt_ip_is_loopback(const MtIp *ip);

static inline gboolean
mt_ip_equal(const MtIp *a, const MtIp *b)
{
  return memcmp(a->b, b->b, 16) == 0;
}

/* mt_ip_source: what counts as one client: the address, or an IPv6 /64. */
MtIp mt_ip_source(const MtIp *ip);

/* mt_network_parse: "192.0.2.0/24", "2001:db8::/32", or one address.
 * Returns: FALSE if the text is neither, or the length is out of range. */
gboolean mt_network_parse(MtSpan text, MtNetwork *out);

/* mt_network_has: is @ip in the network? */
gboolean mt_network_has(const MtNetwork *network, const MtIp *ip);

/* mt_networks_have: is @ip in any of the MtNetwork elements of @networks (nullable)? */
gboolean mt_networks_have(const GArray *networks, const MtIp *ip);

#endif
