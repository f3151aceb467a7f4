// Behaviours from parts: what several states have in common is written once, and each state names
// only what differs from it. CAF checks at compile time that every message of the interface is
// decided about, exactly once.
#pragma once

#include "messages/timer.hpp"

#include <caf/all.hpp>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tayfa {

/// The message stays in the mailbox until the actor's next state can serve it.
template <class Message>
auto postpone() {
  if constexpr (requires { typename Message::answer; }) {
    return [](const Message&) -> caf::result<typename Message::answer> { return caf::skip; };
  } else {
    return [](const Message&) -> caf::result<void> { return caf::skip; };
  }
}
template <class... Message>
auto postponed() {
  return std::tuple{postpone<Message>()...};
}

/// These messages have no meaning in this state.
template <class Message>
auto ignore() {
  return [](const Message&) {};
}
template <class... Message>
auto ignored() {
  return std::tuple{ignore<Message>()...};
}

inline auto present() {
  return [](const liveness_probe&) { return liveness_answer{}; };
}

namespace detail {

template <class Handler>
struct message_of : message_of<decltype(&Handler::operator())> {};
template <class Handler, class Result, class Message>
struct message_of<Result (Handler::*)(Message) const> {
  using type = std::remove_cvref_t<Message>;
};

template <class Handler>
auto as_tuple(Handler one) {
  return std::tuple{std::move(one)};
}
template <class... Handler>
auto as_tuple(std::tuple<Handler...> several) {
  return several;
}

template <class Message, class... Own>
constexpr bool decides(const std::tuple<Own...>*) {
  return (std::is_same_v<Message, typename message_of<Own>::type> || ...);
}

template <class Own, class Handler>
auto unless_decided(Handler handler) {
  if constexpr (decides<typename message_of<Handler>::type>(static_cast<const Own*>(nullptr))) {
    return std::tuple{};
  } else {
    return std::tuple{std::move(handler)};
  }
}

} // namespace detail

/// The behaviour of a state: its own handlers (single ones, or tuples of them), and of the common
/// ones those whose message it does not decide about itself.
template <class Behavior, class... Common, class... Own>
Behavior state_of(std::tuple<Common...> common, Own... own) {
  auto mine = std::tuple_cat(detail::as_tuple(std::move(own))...);
  using own_handlers = decltype(mine);
  auto others = std::apply(
      [](auto&... each) {
        return std::tuple_cat(detail::unless_decided<own_handlers>(std::move(each))...);
      },
      common);
  auto all = std::tuple_cat(std::move(mine), std::move(others));
  return std::apply([](auto&... each) { return Behavior{std::move(each)...}; }, all);
}

} // namespace tayfa
