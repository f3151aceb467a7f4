// The HTTP side as the actors see it: calls come in already parsed and checked (runtime/api),
// answers go out through a reply object that cannot be forgotten.
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

/// When an answer counts as gone to its client.
enum class proof : std::uint8_t {
  sent,     ///< all of it is with this machine's kernel, and the client was still there
  received, ///< the client's machine has acknowledged all of it
};

/// Tells the one who waits for it, once, whether an answer left. Dropped unsaid, it says no.
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

/// Whether the one who asked is still there: shared by a reply and by what carries its answer.
/// Thread safe. `gone` is called by the one who brings the news, or the watcher, and keeps
/// answered() waiting meanwhile.
class presence {
 public:
  void watch(std::function<void()> gone);
  void left();
  /// From here on nobody is told anything.
  void answered();

 private:
  std::recursive_mutex mutex_; // a `gone` may answer
  bool left_ = false;
  bool answered_ = false;
  std::function<void()> gone_;
};

/// A field of answers about a job: names it also when there is no room for the rest of the answer.
inline constexpr const char* job_field = "X-Tayfa-Job";

/// Somebody who wants an answer. Exactly one answer leaves: the first send() wins, and a reply that
/// is destroyed unanswered sends errc::unavailable by itself, so a dying actor never leaves a
/// client hanging. Thread safe.
class reply {
 public:
  /// What it has taken has left, and its client never leaves.
  using transport = std::function<void(api::response)>;
  /// Knows better: says so in the receipt, and tells the presence.
  using line = std::function<void(api::response, receipt)>;

  explicit reply(transport t);
  reply(line l, std::shared_ptr<presence> client)
      : line_(std::move(l)), client_(std::move(client)) {}
  ~reply();
  reply(const reply&) = delete;
  reply& operator=(const reply&) = delete;

  void send(api::response);
  /// Likewise; `left` is told, from any thread and exactly once, whether the whole answer went to a
  /// client that was still there, as far as this machine can know. False when it was not the first
  /// answer.
  void send(api::response, std::function<void(bool)> left, proof wanted = proof::sent);
  /// `gone` is called once, from any thread, when the client leaves (or closes its sending side)
  /// before an answer was sent; at once when it has left already. Never after send(), which waits
  /// for a `gone` that runs: it should only take note.
  void when_gone(std::function<void()> gone);

 private:
  line line_;
  std::shared_ptr<presence> client_; ///< none: it never leaves
  std::atomic<bool> sent_{false};
};
using reply_ptr = std::shared_ptr<reply>;

using call_sink = std::function<void(api::call, reply_ptr)>;

class http_gateway {
 public:
  virtual ~http_gateway() = default;
  /// Binds and listens; `done` is called once, from any thread, with the bound address
  /// ("127.0.0.1:8000") or errc::port_in_use naming the address. Calls flow into `sink` from then
  /// on.
  virtual void open(call_sink sink, std::function<void(result<std::string>)> done) = 0;
  /// Replaces the sink (a restarted ingress).
  virtual void redirect(call_sink sink) = 0;
  /// Stops listening, gives open answers a moment to leave, closes every connection, then calls
  /// back.
  virtual void close(std::function<void()> done) = 0;
};

} // namespace tayfa
