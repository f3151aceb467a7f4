// Early setup of a process, and the check of its resources.
#include "runtime/host/process_start.hpp"
#include "tests/support/sanitizer.hpp"
#include "tests/unit/host/fixture.hpp"

#include <fstream>
#include <functional>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>

namespace tayfa::test {
namespace {

using testing::HasSubstr;

/// The exit code of a process that does this; 128 + signal when it is ended by one.
int in_a_fork(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool is_null_device(int fd) {
  struct stat here {};
  struct stat null {};
  return ::fstat(fd, &here) == 0 && ::stat("/dev/null", &null) == 0 &&
         here.st_rdev == null.st_rdev && here.st_ino == null.st_ino;
}

TEST(open_standard_descriptors, what_is_closed_is_nothing_and_what_is_open_stays) {
  for (int closed = 0; closed < 8; ++closed) { // each bit one of the three
    EXPECT_EQ(in_a_fork([closed] {
                int pipe_ends[2];
                if (::pipe(pipe_ends) != 0 || pipe_ends[0] < 3) {
                  return 2;
                }
                for (int fd = 0; fd < 3; ++fd) {
                  (closed >> fd & 1) != 0 ? ::close(fd) : ::dup2(pipe_ends[1], fd);
                }
                open_standard_descriptors();
                for (int fd = 0; fd < 3; ++fd) {
                  if (((closed >> fd & 1) != 0) != is_null_device(fd)) {
                    return 1;
                  }
                }
                return ::dup(0) > pipe_ends[1] ? 0 : 3; // nothing more was left open
              }),
              0)
        << closed;
  }
}

TEST(try_threads, a_few_are_to_be_had) {
  EXPECT_TRUE(try_threads(4).has_value());
}

TEST(try_threads, too_few_are_an_error_that_names_the_limits) {
  if (tayfa::test::with_sanitizer) {
    GTEST_SKIP() << tayfa::test::sanitizer_needs_it;
  }
  EXPECT_EQ(in_a_fork([] {
              // Each thread's stack takes address space: a few fit, a thousand do not.
              const rlimit space{std::uint64_t{600} << 20, std::uint64_t{600} << 20};
              ::setrlimit(RLIMIT_AS, &space);
              bound_arenas();
              const auto tried = try_threads(1'000);
              const bool named = !tried && tried.error().code == errc::unavailable &&
                                 tried.error().text.find("of 1000") != std::string::npos &&
                                 tried.error().text.find("ulimit -u") != std::string::npos;
              return named && try_threads(4).has_value() ? 0 : 1; // the others have ended
            }),
            0);
}

TEST(try_threads, the_limit_of_processes_counts) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root, to be a user without other processes";
  }
  EXPECT_EQ(in_a_fork([] {
              const rlimit few{6, 6};
              ::setrlimit(RLIMIT_NPROC, &few);
              if (::setuid(23'458) != 0) {
                return 2;
              }
              const auto tried = try_threads(20);
              return !tried && tried.error().text.find("(ulimit -u) is 6") != std::string::npos ? 0
                                                                                                : 1;
            }),
            0);
}

/// Bytes of address space that this process has now (proc(5), statm).
rlim_t address_space() {
  rlim_t pages = 0;
  std::ifstream{"/proc/self/statm"} >> pages;
  return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

TEST(try_threads, memory_that_is_not_there_beside_them_is_an_error) {
  if (tayfa::test::with_sanitizer) {
    GTEST_SKIP() << tayfa::test::sanitizer_needs_it;
  }
  EXPECT_TRUE(try_threads(1, std::size_t{1} << 20).has_value());
  EXPECT_EQ(in_a_fork([] {
              const rlim_t all = address_space() + (rlim_t{400} << 20);
              const rlimit space{all, all};
              ::setrlimit(RLIMIT_AS, &space);
              // As the program does: without it each thread that frees memory may map an arena of
              // 64 to 128 MiB, or not, depending on when it runs.
              bound_arenas();
              const auto room = std::size_t{300} << 20; // there, but not beside 24 stacks
              const auto tried = try_threads(24, room);
              const bool named = !tried &&
                                 tried.error().text.find("300 MiB") != std::string::npos &&
                                 tried.error().text.find("ulimit -v") != std::string::npos;
              return named && try_threads(0, room).has_value() ? 0 : 1;
            }),
            0);
}

} // namespace
} // namespace tayfa::test
