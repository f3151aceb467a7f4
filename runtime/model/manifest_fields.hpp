// Shared by the readers of a manifest: errors, texts and names. For manifest*.cpp only.
#pragma once

#include "runtime/model/catalogue.hpp"

#include <boost/json/object.hpp>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

namespace tayfa::manifest_fields {

inline constexpr std::size_t tensors_max = 512;
inline constexpr std::int64_t axis_max = (std::int64_t{1} << 31) - 1;

/// Axes that the manifest's "axes" declares, by name.
using named_axes = std::map<std::string, axis_bounds, std::less<>>;

tl::unexpected<error> broken(const std::string& field, std::string_view rule);

/// Checks that every member of the object is in `known`.
result<void> only(const boost::json::object&, const std::string& where,
                  std::initializer_list<std::string_view> known);

result<std::string_view> text(const boost::json::object&, const std::string& where,
                              std::string_view key);

/// True for 1 to 64 characters out of A-Z a-z 0-9 . _ -
bool is_name(std::string_view);
result<std::string> read_name(const boost::json::object&, const std::string& where);

/// Reads a size, [min, max] (a maximum of -1 is none), or -1 for any size from 1.
result<axis_bounds> read_bounds(const boost::json::value&, const std::string& where);

result<tensor_spec> read_tensor(const boost::json::value&, const std::string& where,
                                const named_axes&);

} // namespace tayfa::manifest_fields
