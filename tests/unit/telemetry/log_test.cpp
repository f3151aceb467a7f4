#include "runtime/telemetry/line_sink.hpp"
#include "runtime/telemetry/log.hpp"
#include "runtime/telemetry/memory_log.hpp"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <spdlog/logger.h>
#include <sstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace tayfa {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class still_time final : public time_source {
 public:
  moment now() const override { return moment{}; }
  std::chrono::system_clock::time_point wall() const override { return wall_; }
  void advance(std::chrono::milliseconds d) { wall_ += d; }

 private:
  std::chrono::system_clock::time_point wall_ =
      std::chrono::sys_days{std::chrono::year{2026} / 1 / 2};
};

class scratch_folder {
 public:
  scratch_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tayfa-log-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~scratch_folder() { std::filesystem::remove_all(path_); }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string slurp(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

TEST(memory_log, the_same_run_gives_the_same_bytes) {
  const auto run = [] {
    still_time time;
    memory_log log{time};
    log.info("state", {{"machine", "pod"}, {"from", pod_state::CREATED}});
    time.advance(std::chrono::milliseconds{1500});
    log.warn("late", {{"ms", 1500}});
    return log.text();
  };
  EXPECT_EQ(run(), "2026-01-02T00:00:00.000Z info state machine=pod from=CREATED\n"
                   "2026-01-02T00:00:01.500Z warn late ms=1500\n");
  EXPECT_EQ(run(), run());
}

TEST(memory_log, keeps_its_level_and_its_bound) {
  still_time time;
  memory_log log{time, {.level = log_level::warn, .format = log_format::text, .lines_max = 2}};
  EXPECT_FALSE(log.enabled(log_level::info));
  log.info("below");
  log.write(log_level::debug, "below", {});
  log.warn("one");
  log.error("two");
  log.error("three");
  EXPECT_THAT(log.lines(), ElementsAre(HasSubstr("two"), HasSubstr("three")));
  EXPECT_EQ(log.dropped(), 1U);
  EXPECT_EQ(log.count("error"), 2U);
  EXPECT_EQ(log.count("below"), 0U);
  log.clear();
  EXPECT_TRUE(log.lines().empty());
}

TEST(make_log, appends_to_a_file_and_every_line_is_there_at_once) {
  const scratch_folder folder;
  const std::string path = folder.file("tayfa.log");
  std::ofstream{path} << "kept\n";
  auto log = make_log({log_level::info, log_format::text, path});
  ASSERT_TRUE(log) << log.error().str();
  (*log)->debug("hidden");
  (*log)->info("seen", {{"n", 1}});
  const std::string text = slurp(path);
  EXPECT_TRUE(text.starts_with("kept\n"));
  EXPECT_THAT(text, testing::ContainsRegex("kept\n20[0-9-]+T[0-9:.]+Z info seen n=1\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("hidden")));
}

TEST(make_log, braces_and_percent_signs_are_only_text) {
  const scratch_folder folder;
  const std::string path = folder.file("tayfa.log");
  auto log = make_log({log_level::info, log_format::text, path});
  ASSERT_TRUE(log);
  (*log)->info("odd", {{"v", "{} {0} %v %s %n"}});
  EXPECT_THAT(slurp(path), HasSubstr("v=\"{} {0} %v %s %n\"\n"));
}

TEST(make_log, a_file_that_cannot_be_opened_is_an_error) {
  const scratch_folder folder;
  const auto log = make_log({log_level::info, log_format::text, folder.file("no/such/folder")});
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, errc::io_error);
  EXPECT_THAT(log.error().text, HasSubstr("No such file"));
}

TEST(make_log, lines_of_many_threads_stay_whole) {
  const scratch_folder folder;
  const std::string path = folder.file("tayfa.log");
  auto log = make_log({log_level::info, log_format::text, path});
  ASSERT_TRUE(log);
  const std::string filler(3000, 'z'); // twice in a line: longer than PIPE_BUF
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&log, &filler, t] {
      for (int i = 0; i < 200; ++i) {
        (*log)->info("line", {{"id", t * 1000 + i}, {"a", filler}, {"b", filler}});
      }
    });
  }
  for (auto& t : threads) {
    t.join();
  }
  std::istringstream lines{slurp(path)};
  std::string line;
  std::set<std::string> ids;
  while (std::getline(lines, line)) {
    EXPECT_TRUE(line.ends_with('z')) << line.substr(0, 80);
    const auto at = line.find(" id=");
    ASSERT_NE(at, std::string::npos) << line.substr(0, 80);
    ids.insert(line.substr(at, line.find(' ', at + 1) - at));
  }
  EXPECT_EQ(ids.size(), 800U);
}

struct pipe_pair {
  int reader = -1;
  int writer = -1;
  pipe_pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    reader = ends[0];
    writer = ends[1];
    ::fcntl(writer, F_SETPIPE_SZ, 4096);
  }
  ~pipe_pair() {
    ::close(reader);
    ::close(writer);
  }
  std::string take() const {
    std::string out(8192, '\0');
    const ssize_t n = ::read(reader, out.data(), out.size());
    out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return out;
  }
};

TEST(line_sink, a_pipe_without_a_reader_costs_lines_and_not_time) {
  const pipe_pair pipe;
  spdlog::logger logger{"t", std::make_shared<line_sink>(pipe.writer, false, log_format::text)};
  logger.log(spdlog::level::info, std::string(3000, 'a'));
  for (int i = 0; i < 50; ++i) {
    logger.log(spdlog::level::info, std::string(3000, 'b'));
  }
  EXPECT_EQ(pipe.take(), std::string(3000, 'a') + "\n");
  logger.log(spdlog::level::info, "again");
  EXPECT_THAT(pipe.take(), testing::ContainsRegex("warn log_lines_dropped count=50\nagain\n$"));
  logger.log(spdlog::level::info, "and on");
  EXPECT_EQ(pipe.take(), "and on\n");
}

TEST(line_sink, a_pipe_without_a_reader_raises_no_signal) {
  pipe_pair pipe;
  ::close(pipe.reader);
  pipe.reader = -1;
  spdlog::logger logger{"t", std::make_shared<line_sink>(pipe.writer, false, log_format::text)};
  logger.log(spdlog::level::info, "nobody reads"); // SIGPIPE's default would end this program
  EXPECT_GE(::fcntl(pipe.writer, F_GETFD), 0) << "the sink leaves what it was given open";
}

} // namespace
} // namespace tayfa
