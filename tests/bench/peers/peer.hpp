// One client of one queue: what every peer of the benchmark is asked to do. Plain blocking sockets
// in all of them, so that the clients are equal and the queues are what differs.
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

/// A queue that does not do what it should; ends the program with its words.
struct peer_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class peer_client {
 public:
  virtual ~peer_client() = default;
  /// One job from its acceptance to its end.
  virtual void cycle(const std::string& payload) = 0;
};

/// A queue whose clients are its workers as well.
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
  /// The payload of a job that is now this client's.
  virtual std::string claim() = 0;
  virtual void complete() = 0;
};

struct peer_address {
  std::uint16_t port = 0;
  std::string folder; ///< of the bare disk, which has no port
};

/// Each makes what its clients share, once, before the first connects; and connects the n-th.
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
