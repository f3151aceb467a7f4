// A store as version 1 of the schema left it: its tables word for word, and a few jobs in them, for
// the tests of migrations. This text is history; it never changes.
#pragma once

#include "tests/unit/store/support.hpp"

#include <string>
#include <vector>

namespace tayfa::store::testing {

inline constexpr const char* version_1_tables = R"(
CREATE TABLE requests(
  job INTEGER PRIMARY KEY, id TEXT NOT NULL, fingerprint INTEGER NOT NULL,
  submitted INTEGER NOT NULL, endpoint TEXT NOT NULL, model TEXT NOT NULL, shape TEXT NOT NULL,
  tenant TEXT NOT NULL, idempotency_key TEXT NOT NULL, priority INTEGER NOT NULL,
  execution_timeout INTEGER, ttl INTEGER, deadline INTEGER, delay INTEGER NOT NULL,
  webhook TEXT NOT NULL, sync INTEGER NOT NULL,
  input TEXT, input_bytes INTEGER NOT NULL, input_file TEXT) STRICT;
CREATE TABLE states(
  job INTEGER PRIMARY KEY, state INTEGER NOT NULL, attempts INTEGER NOT NULL,
  lives INTEGER NOT NULL, attempts_before INTEGER NOT NULL, lone_kills INTEGER NOT NULL,
  suspect INTEGER NOT NULL, dead INTEGER NOT NULL, not_before INTEGER, retried INTEGER, ended INTEGER,
  worker TEXT, failure INTEGER, failure_text TEXT, delay INTEGER, execution INTEGER,
  history TEXT, hook_tries INTEGER NOT NULL, hook_open INTEGER NOT NULL,
  input_released INTEGER NOT NULL) STRICT;
CREATE TABLE results(
  job INTEGER PRIMARY KEY, output TEXT, output_bytes INTEGER NOT NULL, output_file TEXT,
  chunks TEXT) STRICT;
CREATE TABLE meta(
  one INTEGER PRIMARY KEY CHECK(one = 1), last_order INTEGER NOT NULL, boot TEXT NOT NULL,
  clock_offset INTEGER NOT NULL, clock INTEGER NOT NULL, wall INTEGER NOT NULL) STRICT;
)";

/// Times are milliseconds of the clock of boot "boot", which manual_time begins with.
inline constexpr const char* version_1_jobs = R"(
INSERT INTO requests VALUES
  (3,'waits',17,3599000,'tayfa','sd15','512','team','key 1',9,5000,60000,7000,10,'https://h/',1,
   '{"a":1}',7,NULL),
  (4,'done',0,3598000,'tayfa','','','','',5,NULL,NULL,NULL,0,'',0,NULL,7,NULL),
  (6,'dead',0,3597000,'tayfa','','','','',1,NULL,NULL,NULL,0,'',0,'[2]',3,NULL);
INSERT INTO states VALUES
  (3,0,1,1,0,1,1,0,3599900,NULL,NULL,'slot-1',NULL,NULL,12,NULL,
   '[{"number":1,"worker":"slot-1","given":5,"ended":9,"failure":14,"text":"signal 11"}]',0,0,0),
  (4,2,1,1,0,0,0,0,NULL,NULL,3598500,'slot-0',NULL,NULL,1,2,NULL,2,1,1),
  (6,3,3,2,1,0,0,1,3597100,3597500,3599000,'slot-2',14,'three',3,4,NULL,0,0,0);
INSERT INTO results VALUES (4,'[1,2]',5,NULL,'3:"x"');
INSERT INTO meta VALUES (1,7,'boot',0,3599999,0);
)";

inline job_row version_1_waiting() {
  using std::chrono::milliseconds;
  const auto at = [](int ms) { return moment{milliseconds{ms}}; };
  job_row waits;
  waits.order = 3;
  waits.id = job_id{"waits"};
  waits.fingerprint = 17;
  waits.submitted = at(3'599'000);
  waits.request.endpoint = "tayfa";
  waits.request.model = "sd15";
  waits.request.shape = "512";
  waits.request.policy = {.execution_timeout = milliseconds{5'000},
                          .ttl = milliseconds{60'000},
                          .priority = 9,
                          .deadline = milliseconds{7'000},
                          .delay = milliseconds{10},
                          .tenant = "team",
                          .idempotency_key = "key 1"};
  waits.request.webhook = "https://h/";
  waits.request.sync = true;
  waits.request.input = shared_text{R"({"a":1})"};
  waits.input_bytes = 7;
  waits.attempts = 1;
  waits.solo_crashes = 1;
  waits.suspect = true;
  waits.not_before = at(3'599'900);
  waits.worker = "slot-1";
  waits.delay = milliseconds{12};
  waits.history = {{.number = 1,
                    .worker = "slot-1",
                    .given = milliseconds{5},
                    .began = {},
                    .ended = milliseconds{9},
                    .failure = error{static_cast<errc>(14), "signal 11"}}};
  return waits;
}

/// The same jobs as the store of today must find them.
inline std::vector<job_row> version_1_rows() {
  using std::chrono::milliseconds;
  const auto at = [](int ms) { return moment{milliseconds{ms}}; };
  job_row done;
  done.order = 4;
  done.id = job_id{"done"};
  done.submitted = at(3'598'000);
  done.request.endpoint = "tayfa";
  done.state = job_state::COMPLETED;
  done.attempts = 1;
  done.ended = at(3'598'500);
  done.worker = "slot-0";
  done.delay = milliseconds{1};
  done.execution = milliseconds{2};
  done.hook_tries = 2;
  done.hook_open = true;
  done.output = shared_text{"[1,2]"};
  done.output_bytes = 5;
  done.chunks = {chunk{R"("x")"}};
  job_row dead;
  dead.order = 6;
  dead.id = job_id{"dead"};
  dead.submitted = at(3'597'000);
  dead.request.endpoint = "tayfa";
  dead.request.policy.priority = 1;
  dead.request.input = shared_text{"[2]"};
  dead.input_bytes = 3;
  dead.state = job_state::FAILED;
  dead.attempts = 3;
  dead.lives = 2;
  dead.attempts_before = 1;
  dead.dead = true;
  dead.not_before = at(3'597'100);
  dead.retried = at(3'597'500);
  dead.ended = at(3'599'000);
  dead.worker = "slot-2";
  dead.failure = error{static_cast<errc>(14), "three"};
  dead.delay = milliseconds{3};
  dead.execution = milliseconds{4};
  return {version_1_waiting(), done, dead};
}
inline constexpr std::uint64_t version_1_last_order = 7;

} // namespace tayfa::store::testing
