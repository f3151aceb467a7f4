// Lists, one job and slots, word for word.
#include "runtime/api/record_reader.hpp"
#include "runtime/api/records.hpp"
#include "runtime/cli/job_views.hpp"
#include "runtime/cli/pod_views.hpp"
#include "runtime/cli/terminal_text.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

namespace json = boost::json;

/// The record that the command line reads out of a pod's answer.
template <class List>
auto read(const List& list, std::string_view text) {
  return api::read_record(list,
                          json::parse(json::string_view{text.data(), text.size()}).as_object())
      .value();
}

std::vector<job_summary> jobs() {
  return read(api::job_list_fields, R"({"next":null,"jobs":[
    {"id":"3d89ac86-788f-482e-a523-196df0f5ffda-t1","status":"IN_QUEUE","waitReason":"quota",
     "tenant":"acme","priority":7,"attempts":0,"age":76},
    {"id":"4bc79fa1-6340-4da7-9a53-1ba1d36f2446-t1","status":"FAILED","model":"upscale4x",
     "priority":5,"attempts":3,"age":62000,"workerId":"slot-1",
     "error":"no such \u001b[31mprompt\n\u202eand more","errorCode":"job_failed"}]})")
      .jobs;
}

std::string table(std::size_t width) {
  return render_table(job_columns(), job_rows(jobs()), width);
}

TEST(job_rows, at_40_80_and_200_columns) {
  EXPECT_EQ(table(40), "ID                              STATUS\n"
                       "3d89ac86-788f-482e-a523-196df…  IN_QUEUE\n"
                       "4bc79fa1-6340-4da7-9a53-1ba1d…  FAILED\n");
  EXPECT_EQ(table(80),
            "ID                                       STATUS       AGE  WHY\n"
            "3d89ac86-788f-482e-a523-196df0f5ffda-t1  IN_QUEUE   76 ms  its tenant runs as m…\n"
            "4bc79fa1-6340-4da7-9a53-1ba1d36f2446-t1  FAILED    1m 02s  no such ?[31mprompt …\n");
  EXPECT_EQ(table(200),
            "ID                                       STATUS       AGE  PRI  TRIES  WORKER  MODEL "
            "     TENANT  WHY\n"
            "3d89ac86-788f-482e-a523-196df0f5ffda-t1  IN_QUEUE   76 ms    7      0                "
            "     acme    its tenant runs as many jobs as it may\n"
            "4bc79fa1-6340-4da7-9a53-1ba1d36f2446-t1  FAILED    1m 02s    5      3  slot-1  "
            "upscale4x          no such ?[31mprompt ?and more\n");
  EXPECT_EQ(table(0), table(200));
}

TEST(job_text, facts_then_attempts) {
  const auto job = read(api::job_detail_fields, R"({
    "id":"job-1","status":"FAILED","dead":true,"age":5000,"delayTime":12,"executionTime":340,
    "attempts":2,"lives":2,"priority":5,"tenant":"acme","inputBytes":2048,"endpoint":"tayfa",
    "error":"lost \u001b[2J","errorCode":"max_attempts",
    "history":[{"attempt":1,"workerId":"slot-0","given":1,"began":2,"ended":1500,
                "error":"engine_crash: the engine process died","errorCode":"engine_crash"},
               {"attempt":2,"workerId":"slot-1","given":1600,"ended":1700,
                "error":"no \u001b cat","errorCode":"job_failed"},
               {"attempt":3,"workerId":"slot-1","given":1800,"ended":61700}]})");
  const auto output = json::parse(R"({"x":"\u009b"})");
  EXPECT_EQ(job_text(job, &output, 0),
            "id              job-1\n"
            "status          FAILED\n"
            "error           lost ?[2J\n"
            "error code      max_attempts\n"
            "dead            yes: tayfa retry or tayfa dead drop\n"
            "age             5.0 s\n"
            "delay time      12 ms\n"
            "execution time  340 ms\n"
            "attempts        2\n"
            "retries         1\n"
            "priority        5\n"
            "tenant          acme\n"
            "endpoint        tayfa\n"
            "input           2.0 KiB\n"
            "output          {\"x\":\"\\u009b\"}\n"
            "\n"
            "ATTEMPT  WORKER  GIVEN  BEGAN   ENDED  RESULT\n"
            "      1  slot-0   1 ms   2 ms   1.5 s  engine_crash: the engine process died\n"
            "      2  slot-1  1.6 s          1.7 s  job_failed: no ? cat\n"
            "      3  slot-1  1.8 s         1m 01s  completed the job\n");
}

TEST(job_text, the_later_look_wins) {
  const auto job = whole_job(
      json::parse(R"({"id":"j","status":"IN_QUEUE","waitReason":"quota","error":"cut …"})")
          .as_object(),
      json::parse(R"({"id":"j","status":"FAILED","error":"whole","output":1})").as_object());
  EXPECT_EQ(json::value(job),
            json::parse(R"({"id":"j","status":"FAILED","error":"whole","output":1})"));
}

TEST(slots_text, notes_and_widths) {
  const auto slots = read(api::slots_fields, R"({"slots":[
    {"slot":0,"incarnation":1,"state":"PROCESSING","engine":"torch","device":"cuda:0 H200",
     "model":"upscale4x","running":2,"completed":120,"lost":0,"draining":false,
     "quarantined":false,"givenUp":false,"pinned":"0-3"},
    {"slot":11,"incarnation":4,"state":"SHUTDOWN","engine":"torch","running":0,"completed":3,
     "lost":4,"draining":true,"quarantined":true,"givenUp":false}]})");
  EXPECT_EQ(slots_text(slots, 120),
            "SLOT  STATE       NOTE                   MODEL      RUN  DONE  LOST  DEVICE       "
            "ENGINE  CPUS  LIFE\n"
            "   0  PROCESSING                         upscale4x    2   120     0  cuda:0 H200  "
            "torch   0-3      1\n"
            "  11  SHUTDOWN    quarantined, draining               0     3     4               "
            "torch            4\n");
  EXPECT_EQ(slots_text(slots, 40), "SLOT  STATE       NOTE\n"
                                   "   0  PROCESSING\n"
                                   "  11  SHUTDOWN    quarantined, draining\n");
  EXPECT_EQ(slots_text({}, 80), "no slots\n");
}

TEST(event_line_text, of_jobs_and_of_others) {
  EXPECT_EQ(event_line_text(41, "job",
                            R"({"id":"job-1","status":"IN_QUEUE","from":"IN_PROGRESS",)"
                            R"("cause":"attempt_lost","attempt":2,"waitReason":"backoff"})",
                            0),
            "41  job     job-1  IN_PROGRESS → IN_QUEUE  attempt_lost  backoff  attempt 2\n");
  EXPECT_EQ(event_line_text(41, "job", R"({"id":"job-1","status":"IN_QUEUE","attempt":0})", 0),
            "41  job     job-1  IN_QUEUE\n");
  EXPECT_EQ(event_line_text(41, "engine",
                            R"({"machine":"engine","worker":"slot-1#3","status":"READY",)"
                            R"("from":"LOADING_MODEL","cause":"warmed_up","ms":5})",
                            0),
            "41  engine  slot-1#3  LOADING_MODEL → READY  warmed_up\n");
  EXPECT_EQ(event_line_text(42, "engine", R"({"slot":1})", 0), "42  engine  {\"slot\":1}\n");
  EXPECT_EQ(event_line_text(43, "x\x1b[m", "no json \x1b[2J", 20), "43  x?[m    no json…\n");
}

TEST(health_text, groups) {
  EXPECT_EQ(
      health_text(
          json::parse(R"({"jobs":{"inQueue":41},"x":1,"w\u001b":{"a":"\u009b"}})").as_object()),
      "jobs\n  in queue              41\nw?\n  a               \"\\u009b\"\n");
}

} // namespace
} // namespace tayfa
