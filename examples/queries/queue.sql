-- What waits, oldest first, and why
SELECT time, sender, recipient, attempts, reason_class, reply, ts FROM mail_queue ORDER BY ts LIMIT 50;
