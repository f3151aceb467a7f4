#include "runtime/host/last_words.hpp"

#include <csignal>
#include <cstring>
#include <exception>
#include <new>
#include <unistd.h>

namespace tayfa {

namespace {

constexpr int internal_failure = 70;

void say(const char* text) noexcept {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text));
}

/// Must not allocate.
[[noreturn]] void end() noexcept {
  const auto what = std::current_exception();
  say("tayfa: ended: ");
  try {
    if (what) {
      std::rethrow_exception(what);
    }
    say("std::terminate was called");
  } catch (const std::bad_alloc&) {
    say("there is no memory");
  } catch (const std::exception& e) {
    say(e.what());
  } catch (...) {
    say("an exception of an unknown kind");
  }
  say("\n");
  ::_exit(internal_failure);
}

[[noreturn]] void aborted(int) noexcept {
  say("tayfa: ended: a library gave up (abort); there may be no memory\n");
  ::_exit(internal_failure);
}

} // namespace

void end_with_last_words() {
  std::set_terminate(end);
  struct sigaction act {};
  act.sa_handler = aborted;
  ::sigaction(SIGABRT, &act, nullptr);
}

} // namespace tayfa
