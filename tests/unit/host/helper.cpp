// A runtime to be killed: owns a host and one engine, prints at its hello, and waits.
//
// host_helper PROGRAM FOLDER          prints "<engine's pid> <socket>"
// host_helper PROGRAM FOLDER guarded  has a guard; prints the engine's pid and the three that it
// says
#include "runtime/host/guard.hpp"
#include "tests/unit/host/fixture.hpp"

#include <cstdio>

namespace {

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

} // namespace

int main(int argc, char** argv) {
  using namespace tayfa;
  if (argc != 3 && argc != 4) {
    return 64;
  }
  std::optional<guard> beside;
  if (argc == 4) {
    auto made = guard::start();
    if (!made) {
      return 70;
    }
    beside.emplace(std::move(*made));
  }
  tayfa::test::remembering_log log;
  tayfa::test::event_box box;
  auto host = process_engine_host::make({.program = argv[1], .run_folder = argv[2]}, log);
  if (!host) {
    return 70;
  }
  (*host)->start({worker_ref{slot_id{0}, 1}, "scripted", {}}, box.sink());
  const auto hello = box.wait_frame<protocol::hello>();
  if (beside) {
    std::string said;
    for (std::size_t i = 0; i < 3; ++i) {
      std::size_t seen = 0;
      said += " " + log.wait_for_output(
                        [&](const std::string& line) { return is_number(line) && seen++ == i; });
    }
    std::printf("%u%s\n", hello.pid, said.c_str());
  } else {
    std::printf("%u %s\n", hello.pid, (*host)->socket_path().c_str());
  }
  std::fflush(stdout);
  for (;;) {
    ::pause();
  }
}
