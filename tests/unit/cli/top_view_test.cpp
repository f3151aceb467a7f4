#include "runtime/cli/top_view.hpp"

#include "runtime/cli/job_views.hpp"
#include "runtime/cli/pod_views.hpp"
#include "runtime/cli/pods/pod_tables.hpp"
#include "runtime/cli/terminal_text.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

namespace json = boost::json;

top_facts facts() {
  top_facts f;
  f.url = "http://127.0.0.1:8000";
  f.state = "ready";
  f.meters = meters_of("# HELP tayfa_jobs_in_queue Jobs that wait\n"
                       "tayfa_jobs_in_queue 12\ntayfa_jobs_in_progress 1\n"
                       "tayfa_jobs_completed_total 1234\ntayfa_jobs_failed_total 2\n"
                       "tayfa_transitions_total{machine=\"pod\"} 7\nother 5\ntayfa_broken x");
  f.rates = top_rates{10, 13, 12.45};
  slot_summary busy;
  busy.state = engine_state::PROCESSING;
  busy.model = "m";
  busy.running = 1;
  busy.completed = 9;
  busy.incarnation = 1;
  slot_summary idle;
  idle.slot = slot_id{1};
  idle.state = engine_state::READY;
  idle.completed = 8;
  idle.incarnation = 1;
  f.slots.rows = slot_rows(std::vector{busy, idle});
  for (int i = 0; i < 10; ++i) {
    job_summary waits;
    waits.id = job_id{"wait-" + std::to_string(i)};
    waits.age = std::chrono::milliseconds{1'000};
    waits.why = wait_reason::workers_busy;
    f.waiting.rows.push_back(job_row_of(waits));
    f.waiting.sent.push_back(json::object{{"id", waits.id.str()}});
    job_summary ended;
    ended.id = job_id{"end-" + std::to_string(i)};
    ended.state = i == 0 ? job_state::FAILED : job_state::COMPLETED;
    if (i == 0) {
      ended.failure = error{errc::job_failed, "\x1b[31mhot\n"};
    }
    f.ended.rows.push_back(job_row_of(ended));
  }
  return f;
}

pod_summary pod_named(const char* name, const char* state, std::uint32_t running) {
  pod_summary pod;
  pod.name = name;
  pod.state = state;
  pod.slots = 8;
  pod.running = running;
  return pod;
}

std::string text(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& line : lines) {
    out += line + '\n';
  }
  return out;
}

TEST(top_view, a_head_shows_its_pods_in_a_line) {
  auto f = facts();
  f.pods.rows =
      pod_rows(std::vector{pod_named("gpu-1", "linked", 7), pod_named("gpu-2", "cut", 0)});
  f.pods.sent.push_back(json::object{{"name", "gpu-1"}});
  const auto lines = top_lines(f, {.width = 80, .height = 24, .keys = true});
  EXPECT_EQ(lines[3], "pods   2  gpu-1 linked 7/8  gpu-2 cut 0/8");
  EXPECT_EQ(lines[4], "");
  EXPECT_EQ(lines.size(), 24U);
  EXPECT_EQ(lines.back(), "q quit  p pause");
  EXPECT_EQ(top_json(f).at("pods").as_array().size(), 1U);
  EXPECT_FALSE(top_json(facts()).contains("pods")) << "a pod of its own has none";
}

TEST(top_view, a_frame_of_24_lines) {
  const auto lines = top_lines(facts(), {.width = 80, .height = 24, .keys = true});
  EXPECT_EQ(text(lines),
            "tayfa top  http://127.0.0.1:8000  ready\n"
            "jobs   queue 12  running 1  completed 1234  failed 2  cancelled 0  timed out 0 …\n"
            "rate   ended 12.4/s  accepted 13.0/s  over 10 s\n"
            "\n"
            "SLOTS  2\n"
            "SLOT  STATE       MODEL  RUN  DONE  LOST  LIFE\n"
            "   0  PROCESSING  m        1     9     0     1\n"
            "   1  READY                0     8     0     1\n"
            "\n"
            "WAITING  12, 5 shown\n"
            "ID      STATUS      AGE  PRI  TRIES  WHY\n"
            "wait-0  IN_QUEUE  1.0 s    5      0  every worker that may take it is busy\n"
            "wait-1  IN_QUEUE  1.0 s    5      0  every worker that may take it is busy\n"
            "wait-2  IN_QUEUE  1.0 s    5      0  every worker that may take it is busy\n"
            "wait-3  IN_QUEUE  1.0 s    5      0  every worker that may take it is busy\n"
            "wait-4  IN_QUEUE  1.0 s    5      0  every worker that may take it is busy\n"
            "\n"
            "LATEST ENDED  10, 4 shown\n"
            "ID     STATUS      AGE  PRI  TRIES  WHY\n"
            "end-0  FAILED     0 ms    5      0  ?[31mhot\n"
            "end-1  COMPLETED  0 ms    5      0\n"
            "end-2  COMPLETED  0 ms    5      0\n"
            "end-3  COMPLETED  0 ms    5      0\n"
            "q quit  p pause\n");
}

TEST(top_view, a_low_terminal_gets_fewer_tables) {
  EXPECT_EQ(text(top_lines(facts(), {.width = 40, .height = 12, .keys = true})),
            "tayfa top  http://127.0.0.1:8000  ready\n"
            "jobs   queue 12  running 1  completed 1…\n"
            "rate   ended 12.4/s  accepted 13.0/s  o…\n"
            "\n"
            "SLOTS  2, 1 shown\n"
            "SLOT  STATE       MODEL  RUN  DONE  LOST\n"
            "   0  PROCESSING  m        1     9     0\n"
            "\n"
            "WAITING  12, 1 shown\n"
            "ID      STATUS    WHY\n"
            "wait-0  IN_QUEUE  every worker that may…\n"
            "q quit  p pause\n");
}

TEST(top_view, fits_every_terminal) {
  for (const std::size_t width : {1U, 10U, 40U, 80U, 200U}) {
    for (std::size_t height = 1; height < 50; height += 3) {
      auto f = facts();
      f.trouble = "gone \x1b[2J";
      const auto lines = top_lines(f, {.width = width, .height = height, .keys = true});
      EXPECT_LE(lines.size(), height);
      for (const auto& line : lines) {
        EXPECT_LE(columns_of(line), width) << line;
        EXPECT_EQ(line, clean_line(line));
      }
    }
  }
}

TEST(top_view, colours_stand_only_around_words) {
  auto f = facts();
  f.slots.rows.at(0).at(3) = "PROCESSING-READY";
  const auto plain = top_lines(f, {.width = 80});
  const auto coloured = top_lines(f, {.width = 80, .colour = true});
  ASSERT_EQ(plain.size(), coloured.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    std::string without = coloured[i];
    for (const std::string_view code : {"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"}) {
      for (std::size_t at = 0; (at = without.find(code)) != std::string::npos;) {
        without.erase(at, code.size());
      }
    }
    EXPECT_EQ(without, plain[i]);
  }
  EXPECT_EQ(coloured[6],
            "   0  \x1b[32mPROCESSING\x1b[0m  PROCESSING-READY    1     9     0     1");
}

TEST(top_view, everything_where_there_is_no_terminal) {
  EXPECT_EQ(top_lines(facts(), {}).size(), 3U + 3U + 2U + 3U + 10U + 3U + 10U);
}

TEST(top_view, as_json) {
  const auto object = top_json(facts());
  EXPECT_EQ(object.at("jobs").at("queue"), 12);
  EXPECT_EQ(object.at("jobs").at("timedOut"), 0);
  EXPECT_EQ(object.at("rates").at("ended"), 12.45);
  EXPECT_EQ(object.at("waiting").as_array().size(), 10U);
}

TEST(meters_of, only_plain_numbers) {
  EXPECT_EQ(facts().meters.size(), 4U);
  EXPECT_EQ(facts().meters.at("tayfa_jobs_completed_total"), 1234);
}

} // namespace
} // namespace tayfa
