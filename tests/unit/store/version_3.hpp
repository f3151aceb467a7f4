// A store as version 3 of the schema left it, word for word, with its checksums: the tables and a
// job in each state, and the changes that wrote them. This text is history; it never changes.
#pragma once

#include "tests/unit/store/version_1.hpp"

#include <string>
#include <vector>

namespace tayfa::store::testing {

inline constexpr const char* version_3_tables = R"(
CREATE TABLE requests(
  job INTEGER PRIMARY KEY, id TEXT NOT NULL, fingerprint INTEGER NOT NULL,
  submitted INTEGER NOT NULL, endpoint TEXT NOT NULL, model TEXT NOT NULL, shape TEXT NOT NULL,
  tenant TEXT NOT NULL, idempotency_key TEXT NOT NULL, priority INTEGER NOT NULL,
  execution_timeout INTEGER, ttl INTEGER, deadline INTEGER, delay INTEGER NOT NULL,
  webhook TEXT NOT NULL, sync INTEGER NOT NULL,
  input TEXT, input_bytes INTEGER NOT NULL, input_file TEXT, origin TEXT NOT NULL DEFAULT '', s3_config TEXT NOT NULL DEFAULT '', input_sum INTEGER, sum INTEGER) STRICT;
CREATE TABLE states(
  job INTEGER PRIMARY KEY, state INTEGER NOT NULL, attempts INTEGER NOT NULL,
  lives INTEGER NOT NULL, attempts_before INTEGER NOT NULL, lone_kills INTEGER NOT NULL,
  suspect INTEGER NOT NULL, dead INTEGER NOT NULL, not_before INTEGER, retried INTEGER, ended INTEGER,
  worker TEXT, failure INTEGER, failure_text TEXT, delay INTEGER, execution INTEGER,
  history TEXT, hook_tries INTEGER NOT NULL, hook_open INTEGER NOT NULL,
  input_released INTEGER NOT NULL, refresh INTEGER NOT NULL DEFAULT 0, keep_until INTEGER, sum INTEGER, dropped_chunks INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE results(
  job INTEGER PRIMARY KEY, output TEXT, output_bytes INTEGER NOT NULL, output_file TEXT,
  chunks TEXT, chunks_sum INTEGER, sum INTEGER) STRICT;
CREATE TABLE meta(
  one INTEGER PRIMARY KEY CHECK(one = 1), last_order INTEGER NOT NULL, boot TEXT NOT NULL,
  clock_offset INTEGER NOT NULL, clock INTEGER NOT NULL, wall INTEGER NOT NULL, commits INTEGER NOT NULL DEFAULT 0, jobs INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, unsealed INTEGER NOT NULL DEFAULT 0, tables INTEGER NOT NULL DEFAULT 0, sum INTEGER) STRICT;
)";

inline constexpr const char* version_3_jobs = R"(
INSERT INTO requests VALUES
  (1,'waits',17,1576799999000,'tayfa','sd15','512','team','key 1',9,5000,60000,7000,10,'https://h/',1,'{"a":1}',7,NULL,'p-1','{"bucketName":"b"}',-6881348995367864943,483571162438412175),
  (2,'job-2',-81985529216486896,1576800000000,'tayfa','','','','',5,NULL,NULL,NULL,0,'',0,'{"prompt":"a cat, number 2"}',28,NULL,'','',5380898329219564880,2770711401939165833),
  (3,'job-3',0,1576800000000,'tayfa','','','','',5,NULL,NULL,NULL,0,'',0,'{"prompt":"a cat, number 3"}',28,NULL,'','',785570853045803865,-4342717794715512337),
  (5,'job-5',0,1576800000000,'tayfa','','','','',5,NULL,NULL,NULL,0,'',0,'{"prompt":"a cat, number 5"}',28,NULL,'','',-1874507916117152510,3877150418184597464),
  (6,'job-6',0,1576800000000,'tayfa','','','','',5,NULL,NULL,NULL,0,'',0,'{"prompt":"a cat, number 6"}',28,NULL,'','',-2731999283788237591,-6414744128433026621),
  (7,'job-7',0,1576800000000,'tayfa','','','','',5,NULL,NULL,NULL,0,'',0,'{"prompt":"a cat, number 7"}',28,NULL,'','',-3920630524958284248,3775549236171001393);
INSERT INTO states VALUES
  (1,0,1,2,1,1,1,0,1576799999900,1576799999500,NULL,'slot-1',NULL,NULL,12,NULL,'[{"number":1,"worker":"slot-1","given":5,"ended":9,"failure":14,"text":"signal 11"}]',0,0,0,1,1576800100000,-2822677961491214538,0),
  (2,1,4,1,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,NULL,-1816285341523988115,0),
  (3,2,1,1,0,0,0,0,NULL,NULL,1576800000020,'slot-0',NULL,NULL,1,2,'[{"number":1,"worker":"slot-0","given":5,"ended":9,"began":6}]',2,1,1,0,NULL,-4132370729243578574,7),
  (5,3,0,1,0,0,0,1,NULL,NULL,1576800000100,NULL,14,'signal 11',NULL,NULL,NULL,0,0,0,0,NULL,-8123284749182846883,0),
  (6,4,0,1,0,0,0,0,NULL,NULL,1576800000100,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,NULL,4798203430768374575,0),
  (7,5,0,1,0,0,0,0,NULL,NULL,9223372036854775807,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,NULL,-8507573878203160077,0);
INSERT INTO results VALUES
  (3,'{"a":"b"}',9,NULL,'3:"x"1:2',1499054286931782561,-6598268244148030505),
  (6,'[]',2,NULL,NULL,-598219429277026123,-2188837826536412523),
  (7,NULL,0,NULL,'1:1',-8635888834686722681,5725009127649475534);
INSERT INTO meta VALUES
  (1,7,'boot',1576796400000,1576800000000,1576800000000,1,15,-5069821802617191583,0,9148686610641290504,7930158399504532010);
)";

/// A job in each state, and between them a value in every column.
inline std::vector<put> version_3_puts() {
  using std::chrono::milliseconds;
  const auto at = [](int ms) { return moment{milliseconds{ms}}; };
  auto waits = version_1_waiting();
  waits.order = 1;
  waits.request.origin = "p-1";
  waits.request.s3_config = R"({"bucketName":"b"})";
  waits.refresh = true;
  waits.keep_until = at(3'700'000);
  waits.retried = at(3'599'500);
  waits.attempts_before = 1;
  waits.lives = 2;
  auto runs = new_row(2, at(3'600'000));
  runs.fingerprint = 0xfedc'ba98'7654'3210;
  runs.state = job_state::IN_PROGRESS;
  runs.attempts = 4;
  auto done = completed(new_row(3, at(3'600'000)), R"({"a":"b"})");
  done.delay = milliseconds{1};
  done.execution = milliseconds{2};
  done.hook_tries = 2;
  done.hook_open = true;
  done.dropped_chunks = 7;
  done.chunks = {chunk{R"("x")"}, chunk{"2"}};
  done.history = {{.number = 1,
                   .worker = "slot-0",
                   .given = milliseconds{5},
                   .began = milliseconds{6},
                   .ended = milliseconds{9},
                   .failure = {}}};
  auto failed = new_row(5, at(3'600'000));
  failed.state = job_state::FAILED;
  failed.failure = error{static_cast<errc>(14), "signal 11"};
  failed.ended = at(3'600'100);
  failed.dead = true;
  auto cancelled = new_row(6, at(3'600'000));
  cancelled.state = job_state::CANCELLED;
  cancelled.ended = at(3'600'100);
  cancelled.output = shared_text{"[]"}; // the latest progress
  cancelled.output_bytes = 2;
  auto late = new_row(7, at(3'600'000));
  late.state = job_state::TIMED_OUT;
  late.ended = moment::max();
  late.chunks = {chunk{"1"}};
  return {accept(waits),      accept(runs),
          accept(new_row(3)), state_of(done, part_output | part_chunks | part_input_released),
          accept(failed),     accept(cancelled),
          accept(late)};
}

} // namespace tayfa::store::testing
