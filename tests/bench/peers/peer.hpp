// A client of a queue: the interface that every peer of the benchmark implements. All use plain
// blocking sockets, so that the clients are equal and only the queues differ.
//
// One cycle is accept, claim, complete: three requests, each of which the queue answers before the
// next is sent. A client may be given another client's job; it completes what it was given. Tayfa
// runs its jobs itself, so one request stands for all three.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tayfa::bench {

/// A misbehaving queue; ends the program with this text.
struct peer_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class peer_client {
 public:
  virtual ~peer_client() = default;
  /// Runs one job from its acceptance to its end.
  virtual void cycle(const std::string& payload) = 0;
};

/// A queue whose clients are also its workers.
class stepwise_client : public peer_client {
 public:
  void cycle(const std::string& payload) final {
    accept(payload);
    if (claim().size() != payload.size()) {
      throw peer_error{"a job lost its payload"};
    }
    complete();
  }

 protected:
  virtual void accept(const std::string& payload) = 0;
  /// Claims a job; returns its payload.
  virtual std::string claim() = 0;
  virtual void complete() = 0;
};

struct peer_address {
  std::uint16_t port = 0;
  std::string folder; ///< of the bare disk, which has no port
};

/// `prepare` runs once, before the first client connects, and makes everything that clients share;
/// `connect` connects the n-th client.
struct peer {
  std::string_view name;
  void (*prepare)(const peer_address&);
  std::unique_ptr<peer_client> (*connect)(const peer_address&, unsigned n);
};

extern const peer beanstalkd;
extern const peer postgresql;
extern const peer redis;
extern const peer disk;
extern const peer tayfa;

} // namespace tayfa::bench
