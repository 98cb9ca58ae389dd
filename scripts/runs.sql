-- SPDX-License-Identifier: MIT
-- Thousands of runs, of which each appended a line: giltracer --summary runs.jsonl program.py
-- Which commands wait for the GIL, and how bad was their worst second?
--
-- DuckDB:  CREATE TABLE runs AS SELECT json AS line
--          FROM read_json_objects('runs.jsonl', format = 'newline_delimited');
-- SQLite:  CREATE TABLE runs (line TEXT);  then each line as it is, e.g. by Python's sqlite3
SELECT line ->> '$.run.argv' AS command,
       count(*) AS runs,
       round(avg(CAST(line ->> '$.gils[0].wait_ns' AS DOUBLE)) / 1e9, 3) AS waited_s,
       round(avg(CAST(line ->> '$.load[0].contended' AS DOUBLE)), 4) AS contended,
       round(max(CAST(line ->> '$.worst[0].windows[1].wait_ns' AS DOUBLE)) / 1e9, 3)
           AS waited_in_worst_second_s
FROM runs
WHERE CAST(line ->> '$.schema' AS INTEGER) = 1
GROUP BY 1
ORDER BY waited_s DESC;
