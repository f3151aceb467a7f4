// Makes join strings: a token in the list of pods, and the text with its secret half, which nothing
// keeps.
#pragma once

#include "messages/link.hpp"
#include "runtime/base/secret.hpp"
#include "runtime/base/secrets.hpp"
#include "runtime/pods_net/allow_list.hpp"

#include <string>
#include <vector>

namespace tayfa::pods {

struct invitation_made {
  std::string token; ///< its id
  secret_text text;  ///< the join string
};

/// The token is in the list at `path` when it returns. errc::bad_usage for an address that is not
/// valid, quota_exceeded for too many tokens; unfit, bad_config, io_error.
result<invitation_made> invite(const std::string& path, const std::string& head_key,
                               const make_join_text& wanted, wall_seconds now, secret_source&);

/// The addresses with which pods reach a head that listens at `endpoint`: each of `wanted`, with
/// the endpoint's port where it has none; the endpoint itself when `wanted` is empty.
/// errc::bad_usage for an endpoint that is no address to connect to, such as 0.0.0.0.
result<std::vector<std::string>> addresses_of(const std::vector<std::string>& wanted,
                                              const std::string& endpoint);

} // namespace tayfa::pods
