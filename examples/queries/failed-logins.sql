-- Addresses that guess, since a moment (microseconds since 1970)
SELECT ip, max(country) AS country, sum(attempts) AS failures, count(DISTINCT account) AS accounts FROM accesses_failed WHERE ts >= 1772928000000000 GROUP BY ip ORDER BY failures DESC LIMIT 20;
