// Typed reading of a pod's answers, by the lists that the pod writes them with. Pure.
#pragma once

#include "runtime/api/record_reader.hpp"
#include "runtime/api/records.hpp"
#include "runtime/cli/pod_client.hpp"
#include "runtime/cli/terminal_text.hpp"

namespace tayfa {

/// The record that the pod answered with; the server may be a different one than expected.
template <class List>
command_result<typename List::record> read_answer(const List& list,
                                                  const boost::json::object& body) {
  auto read = api::read_record(list, body);
  return read ? command_result<typename List::record>{std::move(*read)}
              : tl::unexpected(command_error{
                    exit_failed, "the pod's answer: " + clean_line(read.error().text), 200});
}
/// Likewise, of an answer that may be an error already.
template <class List>
command_result<typename List::record> read_answer(const List& list,
                                                  const pod_client::answer& answer) {
  return answer ? read_answer(list, answer->body) : tl::unexpected(answer.error());
}

/// The elements of a list as they came, for --json: a later release's fields stay in them.
inline boost::json::array as_sent(const boost::json::object& body, std::string_view list) {
  const auto* const found = body.if_contains(list);
  return found != nullptr && found->is_array() ? found->get_array() : boost::json::array{};
}

} // namespace tayfa
