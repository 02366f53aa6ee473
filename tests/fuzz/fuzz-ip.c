/* fuzz-ip: addresses and networks; what is written is read again */
#include "fuzz/fuzz.h"
#include "scan/ip.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  MtSpan text = fuzz_span(data, size);
  gchar written[MT_IP_TEXT_BYTES];
  MtNetwork network;
  MtIp ip, again;

  if (mt_ip_parse(text, &ip))
    {
      gsize len = mt_ip_format(&ip, written);

      FUZZ_CHECK(len < MT_IP_TEXT_BYTES && written[len] == '\0');
      FUZZ_CHECK(mt_ip_parse(mt_span(written, len), &again) && mt_ip_equal(&ip, &again));
      again = mt_ip_source(&ip);
      FUZZ_CHECK(mt_ip_is_v4(&again) == mt_ip_is_v4(&ip));
      FUZZ_CHECK(!mt_ip_is_loopback(&ip) || mt_ip_is_internal(&ip));
    }
  if (mt_network_parse(text, &network))
    FUZZ_CHECK(network.bits <= 128 && mt_network_has(&network, &network.ip));
  return 0;
}
