-- What each account did on one day
SELECT account, sent, deferred, failed, received, rejected, bytes_sent, logins, failed_logins FROM activity_daily WHERE day = '2026-03-09' ORDER BY sent DESC;
