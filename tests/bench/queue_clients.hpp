// Clients as actors: each submits a job, waits for its end and submits the next.
#pragma once

#include "messages/interfaces.hpp"
#include "tests/bench/measured.hpp"

#include <cstddef>
#include <memory>
#include <string>

namespace tayfa::bench {

/// Reports a failure that invalidates the run: the program ends with exit code 1.
[[noreturn]] void give_up(const std::string& why);

class bench_clients {
 public:
  bench_clients(caf::actor_system&, ingress_actor, unsigned clients, std::size_t payload);
  ~bench_clients();
  bench_clients(const bench_clients&) = delete;
  bench_clients& operator=(const bench_clients&) = delete;

  void warm_up();
  /// Runs all clients for this long; returns their measurements.
  measured run(double seconds);

 private:
  struct members;
  std::unique_ptr<members> members_;
};

} // namespace tayfa::bench
