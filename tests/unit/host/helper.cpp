// A runtime to be killed: owns a host and one engine, prints "<engine's pid> <socket>" at its
// hello, and waits.
#include "tests/unit/host/fixture.hpp"

#include <cstdio>

int main(int argc, char** argv) {
  using namespace tayfa;
  if (argc != 3) {
    return 64;
  }
  tayfa::test::remembering_log log;
  tayfa::test::event_box box;
  auto host = process_engine_host::make({.program = argv[1], .run_folder = argv[2]}, log);
  if (!host) {
    return 70;
  }
  (*host)->start({worker_ref{slot_id{0}, 1}, "scripted", {}}, box.sink());
  const auto hello = box.wait_frame<protocol::hello>();
  std::printf("%u %s\n", hello.pid, (*host)->socket_path().c_str());
  std::fflush(stdout);
  for (;;) {
    ::pause();
  }
}
