// Makes API keys: the secret text, and its line in the keys file.
#pragma once

#include "messages/error.hpp"
#include "runtime/access/keys.hpp"
#include "runtime/base/secrets.hpp"

#include <string>

namespace tayfa::access {

/// Adds a new key with these rights (its digest is set here) to the file, which is made if missing,
/// and returns the key's text, which cannot be read later. errc::bad_usage for a duplicate name,
/// bad_config for a broken file, io_error when the system gives no random numbers.
result<std::string> make_key(const std::string& file, access_key rights, secret_source&);

} // namespace tayfa::access
