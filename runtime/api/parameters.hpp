// The parameters of routes as /openapi.json describes them: names, bounds and forms are those that
// the parsers use.
#pragma once

#include <cstdint>
#include <string_view>

namespace tayfa::api {

struct parameter {
  /// "wait"; "stream.wait" where the route with this id means something else by it.
  std::string_view id;
  std::string_view place;        ///< "path", "query", "header"
  std::string_view text;         ///< for people; may be empty
  std::string_view schema = {};  ///< the component that describes it; else:
  std::string_view pattern = {}; ///< of a text
  std::uint64_t longest = 0;     ///< of a text; 0: the pattern says it, or there is no bound
  bool is_number = false;
  std::uint64_t lowest = 0, highest = 0; ///< of a number; 0: no bound above
  std::uint64_t otherwise = 0;           ///< when it is absent; 0: that is no number

  constexpr std::string_view name() const { return id.substr(id.find('.') + 1); }
};

/// The parameter that the route with this id calls by this name. Throws std::out_of_range when none
/// is described: a mistake of the table of routes, which each test of the document finds.
const parameter& parameter_of(std::string_view route_id, std::string_view name);

} // namespace tayfa::api
