-- Why mail was refused at the door
SELECT reason_class, count(*) AS refusals, count(DISTINCT client_ip) AS clients FROM mail_rejected GROUP BY reason_class ORDER BY refusals DESC;
