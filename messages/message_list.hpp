// Lists of message types. An actor's interface is such a list (messages/interfaces.hpp).
#pragma once

#include <type_traits>

namespace tayfa {

template <class... Message>
struct message_list {};

/// A request names the type of its answer. Any other message has none.
template <class Message>
concept request_message = requires { typename Message::answer; };

template <class List, class Message>
inline constexpr bool lists = false;
template <class... Each, class Message>
inline constexpr bool lists<message_list<Each...>, Message> =
    (std::is_same_v<Each, Message> || ...);

namespace detail {
template <class Request, class Message>
constexpr bool is_answered_by() {
  if constexpr (request_message<Request>) {
    return std::is_same_v<typename Request::answer, Message>;
  } else {
    return false;
  }
}
} // namespace detail

/// Is Message in the list, or the answer to a request that is?
template <class List, class Message>
inline constexpr bool carries = false;
template <class... Each, class Message>
inline constexpr bool carries<message_list<Each...>, Message> =
    ((std::is_same_v<Each, Message> || detail::is_answered_by<Each, Message>()) || ...);

} // namespace tayfa
