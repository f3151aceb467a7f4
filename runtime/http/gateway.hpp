// The HTTP server as the actors see it: calls arrive parsed and checked (runtime/api); answers
// leave through a reply object that always sends one.
#pragma once

#include "messages/error.hpp"
#include "runtime/api/call.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace tayfa {

/// Criterion for counting an answer as delivered to its client.
enum class proof : std::uint8_t {
  sent,     ///< this machine's kernel has all of it, and the client was still connected
  received, ///< the client's kernel has acknowledged all of it
};

/// Delivery callback: reports once whether an answer was delivered. Destroyed unused, it reports
/// false.
class receipt {
 public:
  receipt() = default;
  explicit receipt(std::function<void(bool)> left, proof wanted = proof::sent)
      : left_(std::move(left)), proof_(wanted) {}
  receipt(receipt&& other) noexcept
      : left_(std::exchange(other.left_, nullptr)), proof_(other.proof_) {}
  receipt& operator=(receipt&& other) noexcept;
  ~receipt() { say(false); }

  bool wanted() const { return left_ != nullptr; }
  proof wanted_proof() const { return proof_; }
  void say(bool left);

 private:
  std::function<void(bool)> left_;
  proof proof_ = proof::sent;
};

/// The client's connection state, shared by a reply and by the transport of its answer. Thread
/// safe. `gone` runs on the thread that detects the disconnect (or inside watch() if it already
/// happened). answered() blocks until a running `gone` returns.
class presence {
 public:
  void watch(std::function<void()> gone);
  void left();
  /// Disables `gone` from here on.
  void answered();

 private:
  std::recursive_mutex mutex_; // recursive: a `gone` may answer
  bool left_ = false;
  bool answered_ = false;
  std::function<void()> gone_;
};

/// Header field of answers about a job: also names the job when there is no room for the rest of
/// the answer.
inline constexpr const char* job_field = "X-Tayfa-Job";

/// A client's pending answer. Exactly one answer is sent: the first send() wins, and a reply that
/// is destroyed unanswered sends errc::unavailable by itself, so a dying actor never leaves a
/// client hanging. Thread safe.
class reply {
 public:
  /// Fire-and-forget transport: delivery is assumed, disconnects are never reported.
  using transport = std::function<void(api::response)>;
  /// Tracking transport: reports delivery through `receipt` and disconnects through `presence`.
  using responder = std::function<void(api::response, receipt)>;

  explicit reply(transport t);
  reply(responder r, std::shared_ptr<presence> client)
      : responder_(std::move(r)), client_(std::move(client)) {}
  ~reply();
  reply(const reply&) = delete;
  reply& operator=(const reply&) = delete;

  void send(api::response);
  /// As above; `left` is called, from any thread and exactly once, with whether the whole answer
  /// reached a client that was still connected, as far as this machine can know. Returns false when
  /// another answer was sent before.
  void send(api::response, std::function<void(bool)> left, proof wanted = proof::sent);
  /// `gone` is called once, from any thread, when the client leaves (or closes its sending side)
  /// before an answer was sent; at once when it has left already. Never after send(), which waits
  /// for a running `gone`: so `gone` must only take note.
  void when_gone(std::function<void()> gone);

 private:
  responder responder_;
  std::shared_ptr<presence> client_; ///< null: disconnects are not tracked
  std::atomic<bool> sent_{false};
};
using reply_ptr = std::shared_ptr<reply>;

using call_sink = std::function<void(api::call, reply_ptr)>;

class http_gateway {
 public:
  virtual ~http_gateway() = default;
  /// Binds and listens; `done` is called once, from any thread, with the bound address
  /// ("127.0.0.1:8000") or errc::port_in_use naming the address. From then on calls go to `sink`.
  virtual void open(call_sink sink, std::function<void(result<std::string>)> done) = 0;
  /// Replaces the sink (a restarted ingress).
  virtual void redirect(call_sink sink) = 0;
  /// Stops listening, gives open answers a moment to be sent, closes every connection, then calls
  /// `done`.
  virtual void close(std::function<void()> done) = 0;
};

} // namespace tayfa
