// bench_peers --peer NAME (--port P | --folder F) --clients N --seconds S [--payload BYTES]
// Prints one line of JSON: how many whole cycles the clients did together, and how long one took.
#include "tests/bench/measured.hpp"
#include "tests/bench/peers/peer.hpp"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace tayfa::bench {

namespace {

using steady = std::chrono::steady_clock;
using seconds = std::chrono::duration<double>;

struct plan {
  const peer* queue = nullptr;
  peer_address at;
  unsigned clients = 1;
  double seconds = 5;
  std::size_t payload = 1024;
};

std::string payload_of(unsigned client, std::size_t size) {
  std::string out(size, '\0');
  std::uint32_t state = 2654435761U * (client + 1);
  for (char& c : out) { // not compressible, and different for each client
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>(state >> 24);
  }
  return out;
}

measured measure(const plan& p) {
  p.queue->prepare(p.at);
  std::vector<std::unique_ptr<peer_client>> clients;
  for (unsigned n = 0; n < p.clients; ++n) {
    clients.push_back(p.queue->connect(p.at, n));
  }
  std::barrier ready{static_cast<std::ptrdiff_t>(p.clients)};
  std::mutex mutex;
  measured out;
  const auto begin_to_end = [&](unsigned n) {
    std::vector<double> mine;
    const std::string payload = payload_of(n, p.payload);
    const auto warm =
        steady::now() + std::chrono::duration_cast<steady::duration>(seconds{warm_up_seconds});
    for (unsigned i = 0; i < warm_up_cycles && steady::now() < warm; ++i) {
      clients[n]->cycle(payload);
    }
    ready.arrive_and_wait();
    const auto start = steady::now();
    auto now = start;
    while (now - start < seconds{p.seconds}) {
      clients[n]->cycle(payload);
      const auto after = steady::now();
      mine.push_back(seconds{after - now}.count());
      now = after;
    }
    const std::lock_guard lock{mutex};
    out.cycles.insert(out.cycles.end(), mine.begin(), mine.end());
    out.seconds = std::max(out.seconds, seconds{now - start}.count());
  };
  std::vector<std::thread> threads;
  for (unsigned n = 0; n < p.clients; ++n) {
    threads.emplace_back([&, n] {
      try {
        begin_to_end(n);
      } catch (const std::exception& e) {
        // The others wait for this client at the barrier: the run is lost.
        std::fprintf(stderr, "bench_peers: error: %s\n", e.what());
        std::_Exit(1);
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  return out;
}

plan read(int argc, char** argv) {
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < argc; i += 2) {
    given[argv[i]] = argv[i + 1];
  }
  plan out;
  for (const peer* each : {&beanstalkd, &postgresql, &redis, &disk, &tayfa}) {
    if (each->name == given["--peer"]) {
      out.queue = each;
    }
  }
  const auto number = [&given](const char* name, double otherwise) {
    const auto& text = given[name];
    return text.empty() ? otherwise : std::stod(text);
  };
  out.at = {static_cast<std::uint16_t>(number("--port", 0)), given["--folder"]};
  out.clients = static_cast<unsigned>(number("--clients", 1));
  out.seconds = number("--seconds", 5);
  out.payload = static_cast<std::size_t>(number("--payload", 1024));
  const bool complete = out.queue != nullptr && argc % 2 == 1 && out.clients >= 1 &&
                        out.clients <= 1024 && out.seconds > 0 && out.payload >= 1;
  if (!complete) {
    throw peer_error{"usage: bench_peers --peer beanstalkd|postgresql|redis|disk|tayfa"
                     " (--port P | --folder F) --clients N --seconds S [--payload BYTES]"};
  }
  return out;
}

} // namespace

} // namespace tayfa::bench

int main(int argc, char** argv) {
  try {
    const auto plan = tayfa::bench::read(argc, argv);
    tayfa::bench::print(plan.clients, tayfa::bench::measure(plan));
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_peers: error: %s\n", e.what());
    return 1;
  }
}
