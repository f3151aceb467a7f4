// A limit on bytes held temporarily by many parts: answers being sent to clients, bodies of
// webhooks.
//
// Owner: the composition root; every maker of such data first takes a place, and returns it by
// releasing the place. Thread safe. A place may outlive the budget.
//
// Invariant: used() is the sum of the bytes of all living places; a text with several holders
// (share()) is counted once. Except by force(), used() never exceeds the limit.
#pragma once

#include "messages/fields.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace tayfa {

class byte_budget {
 public:
  /// Holding a place reserves its bytes; null = there was no room.
  using place = std::shared_ptr<const void>;

  explicit byte_budget(std::size_t most);

  /// `headroom`: bytes of the limit that must stay free for others.
  place take(std::size_t bytes, std::size_t headroom = 0);
  /// The place of this text: its existing one (as a shared copy, or as text that is counted()), or
  /// a new one. The place holds the text.
  place share(const shared_text&);
  /// A place for data that cannot be refused any more, beyond the limit if necessary.
  place force(std::size_t bytes);

  std::size_t used() const;
  std::size_t most() const;
  /// `pressed` is called, from any thread, after a place was refused. It must only take note.
  void on_refusal(std::function<void()> pressed);

 private:
  struct account;
  std::shared_ptr<account> account_;
};

} // namespace tayfa
