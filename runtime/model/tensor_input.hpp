// Shared by the readers of a job's input, including pictures and texts. For tensor_decode*.cpp
// only.
#pragma once

#include "runtime/model/tensor_json.hpp"

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace tayfa::tensor_input {

/// errc::bad_input that names the input.
tl::unexpected<error> wrong(const tensor_spec&, const std::string& text);

/// A tensor of this shape, checked against the spec before its memory is deducted from `budget`
/// (bytes).
result<host_tensor> make(const tensor_spec&, std::vector<std::int64_t> shape,
                         std::uint64_t& budget);

result<host_tensor> images(const tensor_spec&, const boost::json::value&, std::uint64_t& budget);
result<host_tensor> texts(const tensor_spec&, const boost::json::value&, std::uint64_t& budget);

} // namespace tayfa::tensor_input
