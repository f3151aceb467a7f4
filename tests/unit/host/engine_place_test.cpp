// An engine's surroundings: a temporary folder of its own, a share of the CPU time, and a working
// socket.
#include "runtime/host/leftovers.hpp"
#include "runtime/host/process_facts.hpp"
#include "runtime/machine/thread_share.hpp"
#include "tests/unit/host/fixture.hpp"

#include <csignal>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/stat.h>

namespace tayfa::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct engine_place_test : testing::Test {
  folder home;
  folder elsewhere;
  remembering_log log;
  event_box box;
  event_box other;
  std::unique_ptr<process_engine_host> host;

  std::string run_folder() const { return home.path() + "/run"; }
  void make_host(process_host_options options = {}) {
    options.program = engine_program;
    options.run_folder = run_folder();
    auto made = process_engine_host::make(std::move(options), log);
    ASSERT_TRUE(made.has_value()) << made.error().str();
    host = std::move(*made);
  }
  static worker_ref worker(std::uint64_t incarnation = 1, std::uint32_t slot = 0) {
    return {slot_id{slot}, incarnation};
  }
  pid_t start(event_box& into, std::uint64_t incarnation = 1, std::uint32_t slot = 0) {
    engine_spec spec{worker(incarnation, slot), "scripted", {}};
    spec.slots = 1;
    host->start(spec, into.sink());
    return static_cast<pid_t>(into.wait_frame<protocol::hello>().pid);
  }
  static std::string variable(pid_t pid, const std::string& name) {
    return environment_of(pid, name);
  }
};

TEST_F(engine_place_test, each_engine_has_a_temporary_folder_that_goes_with_it) {
  make_host();
  const auto pid = start(box);
  const fs::path place = variable(pid, "TMPDIR");
  EXPECT_TRUE(place.is_absolute());
  EXPECT_TRUE(place.string().starts_with(fs::absolute(run_folder()).string())) << place;
  struct stat about {};
  ASSERT_EQ(::stat(place.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
  fs::create_directories(place / "aotinductor_x/data");
  std::ofstream{place / "aotinductor_x/data/model.so"} << "code";
  fs::create_directory_symlink(elsewhere.path(), place / "link");
  std::ofstream{elsewhere.path() + "/kept"} << "x";
  host->kill(worker(), SIGKILL);
  box.wait<engine_exited>();
  EXPECT_FALSE(fs::exists(place)) << "before the end is reported";
  EXPECT_TRUE(fs::exists(elsewhere.path() + "/kept"));
  const fs::path next = variable(start(other, 2), "TMPDIR");
  EXPECT_NE(next, place);
  std::ofstream{next / "left"} << "x";
  host.reset();
  EXPECT_TRUE(fs::is_empty(run_folder()));
}

TEST_F(engine_place_test, the_place_may_be_another_and_is_cleared_after_a_kill_of_the_runtime) {
  process_host_options options;
  options.temporary = elsewhere.path() + "/tmp";
  make_host(options);
  const fs::path place = variable(start(box), "TMPDIR");
  EXPECT_TRUE(place.string().starts_with(elsewhere.path() + "/tmp/tayfa-engines-")) << place;
  // As after a kill: the pid file names a runtime that is gone.
  const auto beside = home.path() + "/other/";
  fs::create_directories(beside);
  fs::create_directories(elsewhere.path() + "/tmp/tayfa-engines-dead/0.1");
  fs::create_directories(elsewhere.path() + "/tmp/precious");
  const auto left = [&](const std::string& named) {
    std::ofstream{beside + "engines-99999999.pids"} << "runtime 99999999 1\ntemporary " << named
                                                    << "\n";
    remove_leftovers(beside, log);
  };
  left(elsewhere.path() + "/tmp/precious");
  EXPECT_TRUE(fs::exists(elsewhere.path() + "/tmp/precious")) << "none of our names";
  left(elsewhere.path() + "/tmp/tayfa-engines-dead");
  EXPECT_FALSE(fs::exists(elsewhere.path() + "/tmp/tayfa-engines-dead"));
  host.reset();
  EXPECT_FALSE(fs::exists(place.parent_path()));
}

TEST_F(engine_place_test, folders_of_a_runtime_that_was_killed_are_removed_at_the_next_start) {
  fs::create_directories(run_folder() + "/engines-99999999.tmp/0.7/unpacked");
  std::ofstream{run_folder() + "/engines-99999999.tmp/0.7/unpacked/x.so"} << "code";
  const auto own = run_folder() + "/engines-" + std::to_string(::getpid()) + "-77.tmp";
  fs::create_directories(own); // of a pid that lives: not ours to judge
  make_host();
  EXPECT_FALSE(fs::exists(run_folder() + "/engines-99999999.tmp"));
  EXPECT_TRUE(fs::exists(own));
}

TEST_F(engine_place_test, an_engine_starts_although_the_disk_is_full) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root, to mount a file system";
  }
  fs::create_directories(elsewhere.path() + "/full");
  const auto place = elsewhere.path() + "/full";
  // Three inodes: the root, the host's folder, and one file that takes the last.
  if (::mount("tmpfs", place.c_str(), "tmpfs", 0, "nr_inodes=3") != 0) {
    GTEST_SKIP() << "nothing can be mounted here";
  }
  process_host_options options;
  options.temporary = place;
  make_host(options);
  std::ofstream{place + "/last"} << "x";
  const bool counted = ::mkdir((place + "/more").c_str(), 0700) != 0;
  const fs::path used = variable(start(box), "TMPDIR");
  if (counted) {
    EXPECT_EQ(log.lines("temporary_folder_failed").size(), 1U);
    EXPECT_EQ(used.parent_path(), place) << "the folder above its own";
  }
  host->kill(worker(), SIGKILL);
  box.wait<engine_exited>();
  EXPECT_TRUE(!counted || fs::exists(used)) << "it is not the engine's";
  host.reset();
  EXPECT_FALSE(fs::exists(used));
  ::umount(place.c_str());
}

TEST_F(engine_place_test, engines_compute_with_their_share_and_hear_when_it_changes) {
  process_host_options options;
  options.passed = {"OMP_NUM_THREADS=64"};
  make_host(options);
  host->share_among(1);
  const auto pid = start(box);
  const auto alone = compute_threads(read_cpu_room(), 1);
  EXPECT_EQ(variable(pid, "OMP_NUM_THREADS"), std::to_string(alone));
  EXPECT_EQ(variable(pid, "OMP_WAIT_POLICY"), "PASSIVE");
  EXPECT_EQ(box.wait<engine_spawned>().threads, alone);
  host->send(worker(), protocol::welcome{50});
  host->share_among(1'000);
  if (alone > 1) {
    EXPECT_EQ(log.lines("engine_threads").size(), 1U);
  }
  const auto second = start(other, 1, 1);
  EXPECT_EQ(variable(second, "OMP_NUM_THREADS"), "1");
}

TEST_F(engine_place_test, what_is_asked_for_is_given_whatever_the_share) {
  process_host_options options;
  options.threads = 3;
  make_host(options);
  host->share_among(2);
  EXPECT_EQ(variable(start(box), "OMP_NUM_THREADS"), "3");
}

TEST_F(engine_place_test, a_socket_that_a_cleaner_took_is_made_again) {
  make_host();
  const auto first = start(box);
  fs::remove_all(run_folder());
  EXPECT_GT(start(other, 2), 0) << "it finds the new socket";
  EXPECT_EQ(log.lines("run_folder_restored").size(), 1U);
  // Connected engines still are.
  host->send(worker(), protocol::welcome{50});
  EXPECT_GT(box.wait_frame<protocol::heartbeat>().rss_bytes, 0U);
  EXPECT_TRUE(start_time_of(first).has_value());
  struct stat about {};
  ASSERT_EQ(::stat(host->socket_path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
  ASSERT_EQ(::stat(run_folder().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
}

TEST_F(engine_place_test, a_socket_that_cannot_be_made_again_ends_the_start_with_a_sentence) {
  make_host();
  fs::remove_all(run_folder());
  std::ofstream{run_folder()} << "a file in its place";
  engine_spec spec{worker(), "scripted", {}};
  host->start(spec, box.sink());
  const auto end = box.wait<engine_exited>();
  EXPECT_FALSE(end.started);
  EXPECT_THAT(end.text, HasSubstr("the run folder is gone"));
  EXPECT_THAT(end.text, HasSubstr(run_folder()));
}

} // namespace
} // namespace tayfa::test
