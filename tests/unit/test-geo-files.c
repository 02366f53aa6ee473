/* test-geo-files: databases that are there, that are not, and that are replaced */
#include "geo/geo.h"

#include <glib/gstdio.h>

typedef struct
{
  gchar *directory, *path;
  GString *told;
} Fixture;

static void
failed(gpointer user, const GError *error)
{
  g_string_append_printf(user, "%s\n", error->message);
}

static gchar *
database(const gchar *name)
{
  return g_test_build_filename(G_TEST_DIST, "tests", "geo", name, NULL);
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp("mailtrail-geo-XXXXXX", NULL);
  fixture->path = g_build_filename(fixture->directory, "geo.mmdb", NULL);
  fixture->told = g_string_new(NULL);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
  g_unlink(fixture->path);
  g_rmdir(fixture->directory);
  g_free(fixture->directory);
  g_free(fixture->path);
  g_string_free(fixture->told, TRUE);
}

/* As geoipupdate does: the new one is renamed over the old. */
static void
put(const Fixture *fixture, const gchar *bytes, gsize len)
{
  gchar *fresh = g_strconcat(fixture->path, ".new", NULL);

  g_assert_true(g_file_set_contents(fresh, bytes, len, NULL));
  g_assert_cmpint(g_rename(fresh, fixture->path), ==, 0);
  g_free(fresh);
}

static void
put_database(const Fixture *fixture, const gchar *name)
{
  gchar *from = database(name), *bytes;
  gsize len;

  g_assert_true(g_file_get_contents(from, &bytes, &len, NULL));
  put(fixture, bytes, len);
  g_free(bytes);
  g_free(from);
}

static const gchar *
country_of(MtGeo *geo)
{
  MtIp ip;

  g_assert_true(mt_ip_parse(MT_SPAN("198.18.90.1"), &ip));
  return mt_geo_look_up(geo, &ip)->country;
}

static void
test_missing(Fixture *fixture, gconstpointer data)
{
  MtGeo *geo = mt_geo_new(fixture->path, NULL, NULL, failed, fixture->told);

  g_assert_nonnull(strstr(fixture->told->str, fixture->path));
  g_assert_cmpuint(mt_geo_has(geo), ==, 0);
  g_assert_cmpstr(country_of(geo), ==, "");
  g_assert_false(mt_geo_refresh(geo, failed, fixture->told));
  put_database(fixture, "city.mmdb");
  g_assert_true(mt_geo_refresh(geo, failed, fixture->told));
  g_assert_cmpuint(mt_geo_has(geo), ==, MT_GEO_HAS_COUNTRY);
  g_assert_cmpstr(country_of(geo), ==, "VN");
  mt_geo_free(geo);
}

static void
test_wrong(Fixture *fixture, gconstpointer data)
{
  MtGeo *geo;

  put_database(fixture, "asn.mmdb");
  geo = mt_geo_new(fixture->path, NULL, fixture->path, failed, fixture->told);
  g_assert_nonnull(
      strstr(fixture->told->str,
             "is a database of type GeoLite2-ASN; what is wanted here is City or Country"));
  g_assert_nonnull(strstr(fixture->told->str, "what is wanted here is Anonymous-IP"));
  g_assert_cmpuint(mt_geo_has(geo), ==, 0);
  mt_geo_free(geo);
}

static void
test_damaged_later(Fixture *fixture, gconstpointer data)
{
  gchar *asn = database("asn.mmdb");
  MtGeo *geo;

  put_database(fixture, "city.mmdb");
  geo = mt_geo_new(fixture->path, asn, NULL, failed, fixture->told);
  g_assert_cmpstr(fixture->told->str, ==, "");
  g_assert_cmpuint(mt_geo_has(geo), ==, MT_GEO_HAS_COUNTRY | MT_GEO_HAS_ASN);
  put(fixture, "no database", 11);
  g_assert_true(mt_geo_refresh(geo, failed, fixture->told));
  g_assert_nonnull(strstr(fixture->told->str, "cannot be read as a MaxMind database"));
  g_assert_cmpstr(country_of(geo), ==, "VN"); /* the old one stays */
  g_assert_false(mt_geo_refresh(geo, failed, fixture->told));
  mt_geo_free(geo);
  g_free(asn);
}

int
main(int argc, char **argv)
{
  MtGeo *geo;
  gchar *city;
  GString *told;

  g_test_init(&argc, &argv, NULL);
  city = database("city.mmdb");
  told = g_string_new(NULL);
  geo = mt_geo_new(city, NULL, NULL, failed, told);
  if (mt_geo_has(geo) == 0)
    g_test_message("built without libmaxminddb: %s", told->str);
  else
    {
      g_test_add("/geo/missing", Fixture, NULL, set_up, test_missing, tear_down);
      g_test_add("/geo/wrong", Fixture, NULL, set_up, test_wrong, tear_down);
      g_test_add("/geo/damaged-later", Fixture, NULL, set_up, test_damaged_later, tear_down);
    }
  mt_geo_free(geo);
  g_string_free(told, TRUE);
  g_free(city);
  return g_test_run();
}
