// The commands against a real server whose sink plays a pod.
#include "runtime/cli/commands.hpp"

#include "runtime/model/base64.hpp"
#include "tests/unit/http/served.hpp"

#include <boost/json/parse.hpp>
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <map>
#include <span>

namespace tayfa {
namespace {

using namespace test;
using ::testing::HasSubstr;

struct outcome {
  int code = -1;
  std::string out;
  std::string err;
};

outcome run(std::vector<std::string> words) {
  CLI::App app;
  outcome o;
  add_client_commands(app, o.code);
  std::reverse(words.begin(), words.end());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  try {
    app.parse(words);
  } catch (const CLI::ParseError&) {
    o.code = 64; // as the program's main does
  }
  o.out = ::testing::internal::GetCapturedStdout();
  o.err = ::testing::internal::GetCapturedStderr();
  return o;
}

/// Accepts every job under the same id and shows it IN_PROGRESS a few times before it ends.
class pod_of_one_job : public ::testing::Test {
 protected:
  pod_of_one_job() {
    server_.server().redirect([this](api::call call, reply_ptr reply) { reply->send(on(call)); });
    folder_ = std::filesystem::temp_directory_path() /
              ("tayfa-client-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  ~pod_of_one_job() override {
    server_.destroy();
    std::filesystem::remove_all(folder_);
  }

  api::response on(const api::call& call) {
    if (const auto* s = std::get_if<api::submit>(&call)) {
      input_ = s->job.input.view();
      return refusal_ ? api::refuse(*refusal_) : api::accepted(job_id{"job-1"});
    }
    if (const auto* s = std::get_if<api::status>(&call)) {
      if (s->ask.id != job_id{"job-1"}) {
        return api::refuse({errc::job_not_found, {}});
      }
      job_view now = end_;
      if (polls_++ < 2) {
        now = {};
        now.state = job_state::IN_PROGRESS;
      }
      now.id = s->ask.id;
      return api::job(now);
    }
    if (const auto* i = std::get_if<inspect_job>(&call)) {
      if (i->id != job_id{"job-1"}) {
        return api::refuse({errc::job_not_found, {}});
      }
      job_detail detail;
      detail.view = end_;
      detail.view.id = i->id;
      detail.tenant = "acme";
      detail.history = {{1, "slot-0", 1ms, 2ms, 3ms, error{errc::engine_crash, {}}}};
      return api::detail(detail);
    }
    if (const auto* c = std::get_if<cancel_job>(&call)) {
      job_view now = end_;
      now.id = c->id;
      return api::state_of(now);
    }
    job_counts jobs;
    jobs.in_queue = 41;
    return api::counts(jobs, {.idle = 0, .initializing = 0, .ready = 2});
  }

  void ends(job_state state, std::string output, std::optional<error> failure = {}) {
    end_.state = state;
    end_.output = shared_text{std::move(output)};
    end_.failure = std::move(failure);
  }
  std::vector<std::string> at(std::vector<std::string> words) {
    words.insert(words.begin() + 1,
                 {"--url", "http://127.0.0.1:" + std::to_string(server_.port())});
    return words;
  }

  served server_;
  std::filesystem::path folder_;
  std::optional<error> refusal_;
  std::string input_;
  job_view end_;
  std::atomic<int> polls_{0};
};

TEST_F(pod_of_one_job, submit_waits_and_prints_the_output) {
  ends(job_state::COMPLETED, R"({"a":1})");
  const auto o = run(at({"submit", "--input", R"({"prompt": "a \"cat\""})"}));
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.out, "{\"a\":1}\n");
  EXPECT_EQ(input_, R"({"prompt":"a \"cat\""})");
  EXPECT_GE(polls_, 3);
}

TEST_F(pod_of_one_job, submit_with_json) {
  ends(job_state::COMPLETED, "[1]");
  const auto o = run(at({"submit", "--json"}));
  EXPECT_EQ(o.code, 0);
  const auto value = boost::json::parse(o.out).as_object();
  EXPECT_EQ(value.at("id"), "job-1");
  EXPECT_EQ(value.at("output"), boost::json::parse("[1]"));
  EXPECT_EQ(value.at("files"), boost::json::array{});
}

TEST_F(pod_of_one_job, submit_without_waiting) {
  const auto o = run(at({"submit", "--no-wait"}));
  EXPECT_EQ(o.code, 0);
  EXPECT_EQ(o.out, "job-1\n");
  EXPECT_EQ(polls_, 0);
  EXPECT_EQ(run(at({"submit", "--no-wait", "--json"})).out,
            "{\"id\":\"job-1\",\"status\":\"IN_QUEUE\"}\n");
}

TEST_F(pod_of_one_job, submit_reads_files_and_writes_pictures) {
  const std::string png = "\x89PNG\r\n\x1a\n rest";
  const std::string text = base64_encode(std::as_bytes(std::span{png}));
  ends(job_state::COMPLETED, R"({"picture":")" + text + R"("})");
  std::ofstream{folder_ / "in.json"} << R"({"steps":4})";
  std::ofstream{folder_ / "in.png", std::ios::binary} << png;
  const auto o = run(at({"submit", "--input", "@" + (folder_ / "in.json").string(), "--image",
                         (folder_ / "in.png").string(), "--image-name", "photo", "--output-dir",
                         (folder_ / "new" / "deep").string()}));
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(input_, R"({"steps":4,"photo":")" + text + R"("})");
  const auto path = folder_ / "new" / "deep" / "job-1-picture.png";
  EXPECT_EQ(o.out, path.string() + "\n");
  std::ifstream in{path, std::ios::binary};
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>{in}, {}), png);
}

TEST_F(pod_of_one_job, jobs_that_end_badly) {
  ends(job_state::FAILED, "", error{errc::job_failed, "no such \x1b[31mprompt"});
  const auto failed = run(at({"submit"}));
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.err, HasSubstr("job job-1 is FAILED: no such ?[31mprompt"));
  ends(job_state::CANCELLED, "");
  EXPECT_EQ(run(at({"submit"})).code, 1);
  ends(job_state::TIMED_OUT, "", error{errc::ttl_expired, {}});
  EXPECT_EQ(run(at({"submit"})).code, 1);
}

TEST_F(pod_of_one_job, submit_gives_up_after_its_timeout) {
  ends(job_state::IN_PROGRESS, "");
  const auto o = run(at({"submit", "--timeout", "0.05"}));
  EXPECT_EQ(o.code, 1);
  EXPECT_THAT(o.err, HasSubstr("job-1 has not ended in time"));
}

TEST_F(pod_of_one_job, refusals_have_their_codes) {
  refusal_ = error{errc::bad_input, "steps is missing"};
  const auto bad = run(at({"submit"}));
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.err, HasSubstr("answered 400: the job's input does not fit the model: steps"));
  refusal_ = error{errc::queue_full, {}};
  EXPECT_EQ(run(at({"submit"})).code, 75);
  EXPECT_EQ(run(at({"submit", "--endpoint", "other"})).code, 1); // 404
}

TEST_F(pod_of_one_job, bad_usage) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"submit", "--input", "{"},
           {"submit", "--input", "@/no/such/file"},
           {"submit", "--input", "@" + folder_.string()},
           {"submit", "--input", "[]", "--image", "/etc/hostname"},
           {"submit", "--image", "/no/such/file"},
           {"submit", "--endpoint", "a/b"},
           {"submit", "--timeout", "-1"},
           {"submit", "--strange"},
           {"status", "no/id"},
           {"cancel", "../x"},
           {"cancel"}}) {
    EXPECT_EQ(run(at(words)).code, 64) << words.back();
  }
  EXPECT_EQ(run({"status", "--url", "ftp://x"}).code, 64);
}

TEST_F(pod_of_one_job, status_of_the_pod) {
  const auto o = run(at({"status"}));
  EXPECT_EQ(o.code, 0);
  EXPECT_THAT(o.out, HasSubstr("jobs\n"));
  EXPECT_THAT(o.out, HasSubstr("  in queue              41\n"));
  EXPECT_THAT(o.out, HasSubstr("  ready                  2\n"));
  EXPECT_TRUE(boost::json::parse(run(at({"status", "--json"})).out).is_object());
}

TEST_F(pod_of_one_job, status_of_a_job) {
  end_.delay = milliseconds{12};
  ends(job_state::COMPLETED, "[1,2]");
  polls_ = 9;
  const auto o = run(at({"status", "job-1"}));
  EXPECT_EQ(o.code, 0);
  EXPECT_THAT(o.out, HasSubstr("delay time      12 ms\n"));
  EXPECT_THAT(o.out, HasSubstr("output          [1,2]\n"));
  EXPECT_THAT(o.out, HasSubstr("status          COMPLETED\n"));
  EXPECT_THAT(o.out, HasSubstr("tenant          acme\n"));
  EXPECT_THAT(o.out, HasSubstr("1  slot-0   1 ms   2 ms   3 ms  engine_crash: the"));
  const auto as_json = boost::json::parse(run(at({"status", "job-1", "--json"})).out).as_object();
  EXPECT_EQ(as_json.at("output"), boost::json::parse("[1,2]"));
  EXPECT_EQ(as_json.at("history").as_array().size(), 1U);
  const auto none = run(at({"status", "job-2"}));
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("no job with this id"));
}

TEST_F(pod_of_one_job, cancel) {
  ends(job_state::CANCELLED, "");
  const auto o = run(at({"cancel", "job-1"}));
  EXPECT_EQ(o.code, 0);
  EXPECT_EQ(o.out, "job-1 CANCELLED\n");
  ends(job_state::COMPLETED, "");
  EXPECT_EQ(run(at({"cancel", "job-1"})).code, 1); // too late
}

TEST_F(pod_of_one_job, an_answer_without_its_fields_is_an_error_that_names_them) {
  // The server answers every other request as /health.
  for (const auto& [command, fault] :
       {std::pair{"slots", "slots is missing"}, std::pair{"jobs", "jobs is no list"},
        std::pair{"purge", "removed is missing"}}) {
    const auto o = run(at({command}));
    EXPECT_EQ(o.code, 1) << command;
    EXPECT_EQ(o.out, "") << command;
    EXPECT_THAT(o.err, HasSubstr("the pod's answer: " + std::string{fault}));
  }
}

TEST(client_commands, without_a_pod_they_name_the_address) {
  std::uint16_t port = 0;
  {
    served s;
    port = s.port();
  }
  const std::string url = "http://127.0.0.1:" + std::to_string(port);
  for (const std::string command : {"status", "submit"}) {
    const auto o = run({command, "--url", url});
    EXPECT_EQ(o.code, 69);
    EXPECT_THAT(o.err, HasSubstr("127.0.0.1:" + std::to_string(port)));
  }
}

TEST(client_commands, something_else_that_speaks_http) {
  served s;
  s.server().redirect([](api::call, reply_ptr r) { r->send(api::metrics_text("hello")); });
  const auto o = run({"status", "--url", "http://127.0.0.1:" + std::to_string(s.port())});
  EXPECT_EQ(o.code, 1);
  EXPECT_THAT(o.err, HasSubstr("does not answer as a Tayfa pod does"));
}

} // namespace
} // namespace tayfa
