// The small texts of a request, judged strictly: percent escapes, the query, names and numbers.
// Pure.
#pragma once

#include "messages/error.hpp"
#include "messages/job.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::api {

/// Every escape must be whole; what it says is judged by who uses the text.
std::optional<std::string> percent_decoded(std::string_view text);

struct query_item {
  std::string name;
  std::string value;
};
/// The items of a query, decoded. `allowed` names them, separated by blanks, and each may be there
/// once; "*" takes anything.
result<std::vector<query_item>> query_items(std::string_view query, std::string_view allowed);

/// The items that are named, decoded as a form is (`+` is a blank), in order. Whatever else stands
/// in the query is not looked at, broken escapes included.
result<std::vector<query_item>> named_items(std::string_view query,
                                            std::initializer_list<std::string_view> names);

/// Digits and nothing else, `highest` at most.
std::optional<std::uint64_t> whole_number(std::string_view text, std::uint64_t highest);

/// A tenant's or a model's name: 1..job_policy::name_max characters out of [A-Za-z0-9._-].
bool is_name(std::string_view text);

/// ?state=&tenant=&model=&limit=&after= of a list of jobs. An empty tenant or model is the one of
/// jobs that name none.
result<job_filter> filter_of(const std::vector<query_item>&);

/// `text` without control characters, `longest` bytes at most, cut between two characters.
std::string plain_text(std::string_view text, std::size_t longest);

/// ?ttl= of status and status-sync, within the bounds of policy.ttl.
result<std::optional<milliseconds>> keep_of(std::string_view query);

inline constexpr std::uint64_t wait_min_ms = 1'000; ///< as RunPod takes it
inline constexpr std::uint64_t wait_max_ms = 300'000;
/// ?wait= of runsync, status-sync and stream.
result<milliseconds> wait_of(const std::vector<query_item>&, milliseconds otherwise);

} // namespace tayfa::api
