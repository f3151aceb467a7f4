// The table of remote workers, word for word.
#include "runtime/cli/workers/worker_views.hpp"

#include "runtime/api/record_reader.hpp"
#include "runtime/api/records.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

namespace json = boost::json;

TEST(worker_rows, a_worker_is_a_line) {
  const auto all = api::read_record(api::remotes_fields, json::parse(R"({"workers":[
    {"id":"w1","endpoint":"tayfa","version":"1.12.0","device":"NVIDIA L4","healthy":true,
     "jobs":["a","b"],"waiting":1,"silentMs":2500,"completed":7,"lost":1},
    {"id":"w2\u001b[31m","endpoint":"tayfa","healthy":false,"jobs":[],"waiting":0,"silentMs":10,
     "completed":0,"lost":0},
    {"id":"w3","endpoint":"other","healthy":true,"jobs":[],"waiting":4,"silentMs":61000,
     "completed":0,"lost":0}]})")
                                                             .as_object())
                       .value();
  EXPECT_EQ(workers_text(all, 0),
            "WORKER   STATE         HEARD  JOBS  ASKS  DONE  LOST  ENDPOINT  DEVICE     SDK\n"
            "w1       running   2.5 s ago     2     1     7     1  tayfa     NVIDIA L4  1.12.0\n"
            "w2?[31m  unfit     10 ms ago     0     0     0     0  tayfa\n"
            "w3       idle     1m 01s ago     0     4     0     0  other\n");
}

TEST(worker_rows, an_empty_list_says_so) {
  EXPECT_EQ(workers_text({}, 0), "no remote workers\n");
}

} // namespace
} // namespace tayfa
