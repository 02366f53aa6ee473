#include "geo/geo.h"

static gchar *
data(const gchar *name)
{
  return g_test_build_filename(G_TEST_DIST, "tests", "geo", name, NULL);
}

static MtIp
ip_of(const gchar *text)
{
  MtIp ip;

  g_assert_true(mt_ip_parse(mt_span_of_string(text), &ip));
  return ip;
}

static void
failed(gpointer user, const GError *error)
{
  if (!g_error_matches(error, MT_GEO_ERROR, MT_GEO_ERROR_NONE))
    g_error("%s", error->message);
}

static MtGeo *
open_all(void)
{
  gchar *city = data("city.mmdb"), *asn = data("asn.mmdb"), *anonymous = data("anonymous.mmdb");
  MtGeo *geo = mt_geo_new(city, asn, anonymous, failed, NULL);

  if (!mt_geo_has(geo))
    {
      g_test_skip("built without libmaxminddb");
      g_clear_pointer(&geo, mt_geo_free);
    }
  g_free(city);
  g_free(asn);
  g_free(anonymous);
  return geo;
}

static void
test_look_up(void)
{
  MtGeo *geo = open_all();
  MtIp ip = ip_of("198.18.0.7");
  const MtPlace *place;

  if (!geo)
    return;
  place = mt_geo_look_up(geo, &ip);
  g_assert_cmpstr(place->country, ==, "ES");
  g_assert_cmpstr(place->country_name, ==, "Spain");
  g_assert_cmpstr(place->city, ==, "Madrid");
  g_assert_true(place->has_location);
  g_assert_cmpfloat_with_epsilon(place->latitude, 40.4168, 0.001);
  g_assert_cmpint(place->asn, ==, 64500);
  g_assert_cmpuint(place->anonymous, ==, 0);
  ip = ip_of("2001:db8:f200::1");
  g_assert_cmpstr(mt_geo_look_up(geo, &ip)->country, ==, "FR");
  ip = ip_of("198.18.202.1");
  g_assert_true(mt_geo_look_up(geo, &ip)->anonymous & MT_GEO_TOR);
  g_assert_cmpuint(mt_geo_has(geo), ==, MT_GEO_HAS_COUNTRY | MT_GEO_HAS_ASN | MT_GEO_HAS_ANONYMOUS);
  mt_geo_free(geo);
}

/* Nothing is known of what is no address of the world, or in no database. */
static void
test_nowhere(void)
{
  static const gchar *const inside[] = { "127.0.0.1", "10.1.2.3", "::1", "fe80::1", "203.0.113.1" };
  MtGeo *geo = open_all();

  if (!geo)
    return;
  for (guint i = 0; i < G_N_ELEMENTS(inside); i++)
    {
      MtIp ip = ip_of(inside[i]);
      const MtPlace *place = mt_geo_look_up(geo, &ip);

      g_assert_cmpstr(place->country, ==, "");
      g_assert_cmpint(place->asn, ==, 0);
      g_assert_cmpstr(mt_geo_look_up(NULL, &ip)->country, ==, "");
    }
  mt_geo_free(geo);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/geo/look-up", test_look_up);
  g_test_add_func("/geo/nowhere", test_nowhere);
  return g_test_run();
}
