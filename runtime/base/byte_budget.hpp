// A bound on bytes that many hold for a while: answers on their way to clients, bodies of webhooks.
//
// Owner: the composition root; everybody who makes something that is to leave takes a place in it
// first, and gives it back by letting the place go. Thread safe. A place may outlive the budget.
//
// Invariant: used() is the sum of the bytes of all places that live; a text that many hold at the
// same time (share()) is counted once. Except by force(), used() never passes the bound.
#pragma once

#include "messages/fields.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace tayfa {

class byte_budget {
 public:
  /// Whoever holds it has the bytes; null = there was no room.
  using place = std::shared_ptr<const void>;

  explicit byte_budget(std::size_t most);

  /// `spare`: so many bytes of the bound have to stay free for others.
  place take(std::size_t bytes, std::size_t spare = 0);
  /// The place of this text: the one that it has already (as a copy that somebody shares now, or as
  /// text that is counted()), or a new one. It holds the text.
  place share(const shared_text&);
  /// A place for what cannot be refused any more, beyond the bound if need be.
  place force(std::size_t bytes);

  std::size_t used() const;
  std::size_t most() const;
  /// `pressed` is called, from any thread, after a place was refused. It must only take note.
  void on_refusal(std::function<void()> pressed);

 private:
  struct books;
  std::shared_ptr<books> books_;
};

} // namespace tayfa
