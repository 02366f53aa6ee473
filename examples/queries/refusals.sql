-- Why mail was refused at the door, since a moment
SELECT reason_class, count(*) AS refusals, count(DISTINCT client_ip) AS clients FROM mail_rejected WHERE ts >= 1772928000000000 GROUP BY reason_class ORDER BY refusals DESC;
