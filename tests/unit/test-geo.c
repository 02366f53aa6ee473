#include "geo/geo.h"

#include <glib/gstdio.h>

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

static MtGeo *
open_all(void)
{
  gchar *city = data("city.mmdb"), *asn = data("asn.mmdb"), *anonymous = data("anonymous.mmdb");
  GError *error = NULL;
  MtGeo *geo = mt_geo_new(city, asn, anonymous, &error);

  if (g_error_matches(error, MT_GEO_ERROR, MT_GEO_ERROR_NONE))
    g_test_skip("built without libmaxminddb");
  else
    g_assert_no_error(error);
  g_clear_error(&error);
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
  g_assert_true(mt_geo_has_country(geo) && mt_geo_has_asn(geo) && mt_geo_has_anonymous(geo));
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

static void
test_wrong_file(void)
{
  gchar *places = data("places.csv");
  GError *error = NULL;

  g_assert_null(mt_geo_new("/nonexistent/x.mmdb", NULL, NULL, &error));
  g_assert_nonnull(error);
  g_assert_true(g_str_has_prefix(error->message, "/nonexistent/x.mmdb: "));
  g_clear_error(&error);
  g_assert_null(mt_geo_new(places, NULL, NULL, &error));
  g_assert_nonnull(strstr(error->message, "places.csv"));
  g_clear_error(&error);
  g_free(places);
}

/* A database of networks is none of countries. */
static void
test_wrong_kind(void)
{
  gchar *asn = data("asn.mmdb");
  GError *error = NULL;
  MtGeo *geo = mt_geo_new(asn, NULL, NULL, &error);

  g_assert_null(geo);
  if (!g_error_matches(error, MT_GEO_ERROR, MT_GEO_ERROR_NONE))
    g_assert_error(error, MT_GEO_ERROR, MT_GEO_ERROR_TYPE);
  g_clear_error(&error);
  g_free(asn);
}

/* A new file that is none leaves the old one in force, and says so. */
static void
test_refresh(void)
{
  gchar *dir = g_dir_make_tmp("geo-XXXXXX", NULL), *path = g_build_filename(dir, "x.mmdb", NULL);
  gchar *city = data("city.mmdb"), *new = g_strconcat(path, ".new", NULL), *bytes;
  GError *error = NULL;
  MtIp ip = ip_of("198.18.10.1");
  MtGeo *geo;
  gsize len;

  g_assert_true(g_file_get_contents(city, &bytes, &len, NULL));
  g_assert_true(g_file_set_contents(path, bytes, len, NULL));
  geo = mt_geo_new(path, NULL, NULL, &error);
  if (geo)
    {
      g_assert_true(mt_geo_refresh(geo, &error));
      g_assert_true(g_file_set_contents(new, "nonsense", -1, NULL));
      g_assert_cmpint(g_rename(new, path), ==, 0);
      g_assert_false(mt_geo_refresh(geo, &error));
      g_assert_nonnull(strstr(error->message, "x.mmdb"));
      g_assert_cmpstr(mt_geo_look_up(geo, &ip)->country, ==, "FR");
    }
  g_clear_error(&error);
  mt_geo_free(geo);
  g_remove(path);
  g_rmdir(dir);
  g_free(bytes);
  g_free(new);
  g_free(city);
  g_free(path);
  g_free(dir);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/geo/look-up", test_look_up);
  g_test_add_func("/geo/nowhere", test_nowhere);
  g_test_add_func("/geo/wrong-file", test_wrong_file);
  g_test_add_func("/geo/wrong-kind", test_wrong_kind);
  g_test_add_func("/geo/refresh", test_refresh);
  return g_test_run();
}
