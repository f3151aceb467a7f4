// Answers and events byte for byte, as clients have read them so far: answers.golden has a line for
// each. TAYFA_UPDATE_DOCS=1 writes it anew; a change of a line is a change of the API.
#include "runtime/api/call.hpp"
#include "tests/support/places.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace tayfa::api {
namespace {

const std::string golden_file = test::in_source("/tests/unit/api/answers.golden");

std::string golden_text() {
  std::ostringstream text;
  text << std::ifstream{golden_file, std::ios::binary}.rdbuf();
  return text.str();
}

class pages {
 public:
  void add(std::string_view name, const response& answer) {
    add(name, std::to_string(answer.status) + ' ' + answer.whole_body());
  }
  /// A long run of one character is shown as its length.
  void add(std::string_view name, std::string_view text) {
    out_ << name << ": ";
    while (!text.empty()) {
      const std::size_t run = std::min(text.find_first_not_of(text[0]), text.size());
      run < 50 ? out_ << text.substr(0, run) : out_ << '<' << run << ' ' << text[0] << '>';
      text.remove_prefix(run);
    }
    out_ << '\n';
  }
  std::string done() const { return out_.str(); }

 private:
  std::ostringstream out_;
};

const std::string strange = "a \"quote\", a \\, a tab\t, \x01, \xE2\x82\xAC and \xFF";

/// Calls `see` with a record in which nothing is set, then with one more member set each time.
template <class Record, class See, class... Set>
void grown(Record record, See see, Set... set) {
  see(record);
  (static_cast<void>(set(record), see(record)), ...);
}

constexpr job_state all_states[] = {job_state::IN_QUEUE,  job_state::IN_PROGRESS,
                                    job_state::COMPLETED, job_state::FAILED,
                                    job_state::CANCELLED, job_state::TIMED_OUT};

template <class See>
void each_view(See see) {
  for (const auto state : all_states) {
    job_view first;
    first.id = job_id{"job-1"};
    first.state = state;
    grown(
        first, see, [](job_view& v) { v.why = wait_reason::quota; },
        [](job_view& v) { v.worker = strange; }, [](job_view& v) { v.attempts = 3; },
        [](job_view& v) { v.delay = milliseconds{0}; },
        [](job_view& v) { v.execution = milliseconds{12}; },
        [](job_view& v) { v.dropped_chunks = 18'446'744'073'709'551'615ULL; },
        [](job_view& v) {
          v.failure = error{errc::job_failed, strange};
        },
        [](job_view& v) {
          v.failure = error{errc::job_failed, {}};
        },
        [](job_view& v) {
          v.failure = error{errc::store_corrupt, "detail"};
        },
        [](job_view& v) { v.output = shared_text{R"({"x": [1, 2.50]})"}; },
        [](job_view& v) { v.output = shared_text{'"' + std::string(5'000, 'o') + '"'}; });
  }
}

void add_views(pages& to) {
  each_view([&to](const job_view& v) {
    to.add("job", job(v));
    to.add("state", state_of(v));
    to.add("chunks", chunks(v, {}));
    to.add("chunks", chunks(v, {chunk{std::string{"1"}}, v.output}));
    to.add("event", job_event(v));
    to.add("event", job_event(v, job_state::IN_PROGRESS, cause::attempt_lost));
    job_detail all;
    all.view = v;
    to.add("detail", detail(all));
  });
}

void add_lists(pages& to) {
  for (const auto state : all_states) {
    job_summary first;
    first.id = job_id{"job-1"};
    first.state = state;
    grown(
        first,
        [&to](const job_summary& one) {
          to.add("jobs", jobs({{one}, 0}));
          to.add("requests", requests({{one, one}, 7}));
        },
        [](job_summary& l) { l.why = wait_reason::backoff; },
        [](job_summary& l) { l.model = strange; }, [](job_summary& l) { l.tenant = "alice"; },
        [](job_summary& l) { l.worker = "slot-0"; }, [](job_summary& l) { l.priority = 0; },
        [](job_summary& l) { l.attempts = 2; }, [](job_summary& l) { l.age = milliseconds{90}; },
        [](job_summary& l) {
          l.failure = error{errc::gpu_oom, "text"};
        },
        [](job_summary& l) {
          l.failure = error{errc::job_failed, std::string(600, 'e')};
        });
  }
  to.add("jobs", jobs({}));
  to.add("requests", requests({}));
}

void add_details(pages& to) {
  job_detail first;
  first.view.id = job_id{"job-1"};
  grown(
      first, [&to](const job_detail& d) { to.add("detail", detail(d)); },
      [](job_detail& d) { d.endpoint = "tayfa"; }, [](job_detail& d) { d.model = "m/n"; },
      [](job_detail& d) { d.shape = "w=1"; }, [](job_detail& d) { d.tenant = strange; },
      [](job_detail& d) { d.priority = 9; }, [](job_detail& d) { d.input_bytes = 12; },
      [](job_detail& d) { d.age = milliseconds{1}; }, [](job_detail& d) { d.dead = true; },
      [](job_detail& d) { d.lives = 2; }, [](job_detail& d) { d.history.emplace_back(); },
      [](job_detail& d) {
        d.history.push_back({2, "slot-1", milliseconds{4}, milliseconds{0}, milliseconds{8},
                             error{errc::engine_crash, strange}});
      });
}

void add_pod(pages& to) {
  grown(
      slot_summary{},
      [&to](const slot_summary& s) {
        to.add("slots", slots({s, s}));
      },
      [](slot_summary& s) { s.slot = slot_id{3}; }, [](slot_summary& s) { s.incarnation = 2; },
      [](slot_summary& s) { s.state = engine_state::PROCESSING; },
      [](slot_summary& s) { s.engine = "torch"; }, [](slot_summary& s) { s.device = strange; },
      [](slot_summary& s) { s.model = "m"; }, [](slot_summary& s) { s.running = 1; },
      [](slot_summary& s) { s.completed = 4; }, [](slot_summary& s) { s.lost = 5; },
      [](slot_summary& s) { s.draining = true; }, [](slot_summary& s) { s.quarantined = true; },
      [](slot_summary& s) { s.given_up = true; }, [](slot_summary& s) { s.pinned = "0-3"; });
  to.add("slots", slots({}));
  grown(
      remote_summary{},
      [&to](const remote_summary& r) {
        to.add("workers", workers({r, r}));
      },
      [](remote_summary& r) { r.name = strange; }, [](remote_summary& r) { r.endpoint = "tayfa"; },
      [](remote_summary& r) { r.version = "1.12"; }, [](remote_summary& r) { r.device = "L4"; },
      [](remote_summary& r) { r.healthy = false; },
      [](remote_summary& r) {
        r.jobs = {job_id{"a"}, job_id{"b"}};
      },
      [](remote_summary& r) { r.wanted = 1; },
      [](remote_summary& r) { r.silent = milliseconds{2}; },
      [](remote_summary& r) { r.completed = 3; }, [](remote_summary& r) { r.lost = 4; });
  to.add("workers", workers({}));
  to.add("health", counts({}, {}));
  to.add("health",
         counts({.completed = 1,
                 .failed = 2,
                 .cancelled = 3,
                 .timed_out = 4,
                 .retried = 5,
                 .stale = 6,
                 .in_queue = 7,
                 .in_progress = 8,
                 .dead = 9,
                 .chunks_dropped = 10,
                 .kept = 11},
                {.idle = 1, .initializing = 2, .ready = 3, .running = 4, .unhealthy = 5}));
}

void add_fleet(pages& to) {
  grown(
      pod_summary{},
      [&to](const pod_summary& p) {
        to.add("pods", pods({p, p}));
      },
      [](pod_summary& p) { p.name = "gpu-1"; }, [](pod_summary& p) { p.key = strange; },
      [](pod_summary& p) { p.state = "linked"; }, [](pod_summary& p) { p.why = strange; },
      [](pod_summary& p) { p.release = "0.1"; }, [](pod_summary& p) { p.slots = 8; },
      [](pod_summary& p) { p.attempts = 3; }, [](pod_summary& p) { p.running = 2; },
      [](pod_summary& p) {
        p.models = {"a", "b/c"};
      },
      [](pod_summary& p) { p.silent = milliseconds{2}; },
      [](pod_summary& p) { p.round_trip_us = 250; }, [](pod_summary& p) { p.bytes_in = 5; },
      [](pod_summary& p) { p.bytes_out = 6; });
  to.add("pods", pods({}));
  grown(
      trust_list{}, [&to](const trust_list& t) { to.add("trust", trust(t)); },
      [](trust_list& t) { t.listens = "tcp://127.0.0.1:7500"; },
      [](trust_list& t) {
        t.pods.push_back({"gpu-1", strange, true, "token:1"});
      },
      [](trust_list& t) {
        t.pods.push_back({"gpu-2", "k", false, {}});
      },
      [](trust_list& t) {
        t.tokens.push_back({"0f", false, milliseconds{9}, {}, {}});
      },
      [](trust_list& t) {
        t.tokens.push_back({"0e", true, milliseconds{0}, strange, "api"});
      });
  to.add("join string", join_string({"0f", "tayfa1:x", milliseconds{9}}));
}

void add_rest(pages& to) {
  to.add("accepted", accepted(job_id{"job-1"}));
  to.add("purged", purged(0));
  to.add("purged", purged(7));
  to.add("pinged", pinged(true));
  to.add("pinged", pinged(false));
  to.add("refused", refuse({errc::queue_full, strange}));
  to.add("refused", refuse({errc::job_not_found, {}}));
  grown(
      job_handout{
          .id = "job-1@1", .input = shared_text{R"({"x":1})"}, .s3_config = {}, .webhook = {}},
      [&to](const job_handout& h) {
        to.add("handed out", handed_out({h}, false));
        to.add("handed out", handed_out({h, h}, true));
      },
      [](job_handout& h) { h.s3_config = R"({"accessId":"a"})"; },
      [](job_handout& h) { h.webhook = "https://example.com/?a=\"b\""; },
      [](job_handout& h) { h.input = shared_text{'"' + std::string(5'000, 'i') + '"'}; });
  to.add("handed out", handed_out({}, true));
  to.add("stops", stops({}));
  to.add("stops", stops({"a", strange}));
  to.add("noted", noted());
  to.add("lifecycle",
         lifecycle_event("pod", "", "READY", "LAUNCHING", cause::engines_ready, milliseconds{0}));
  to.add("lifecycle", lifecycle_event("engine", "slot-1#2", "READY", "LOADING_MODEL",
                                      cause::warmed_up, milliseconds{7}));
}

TEST(golden, answers_are_byte_for_byte_as_before) {
  pages all;
  add_views(all);
  add_lists(all);
  add_details(all);
  add_pod(all);
  add_fleet(all);
  add_rest(all);
  if (std::getenv("TAYFA_UPDATE_DOCS") != nullptr) {
    std::ofstream{golden_file, std::ios::binary} << all.done();
  }
  std::istringstream now{all.done()};
  std::istringstream before{golden_text()};
  std::size_t lines = 0;
  for (std::string a, b; std::getline(before, b);) {
    ++lines;
    ASSERT_TRUE(std::getline(now, a));
    EXPECT_EQ(a, b) << "line " << lines;
  }
  EXPECT_GT(lines, 500U);
  EXPECT_EQ(now.peek(), std::istringstream::traits_type::eof());
}

} // namespace
} // namespace tayfa::api
