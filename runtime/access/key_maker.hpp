// Makes API keys: the secret text, and its line in the keys file.
#pragma once

#include "messages/error.hpp"
#include "runtime/access/keys.hpp"
#include "runtime/base/secrets.hpp"

#include <string>

namespace tayfa::access {

/// Puts a new key with these rights (its digest is set here) into the file, which is made when it
/// is not there, and returns the key's text: it can be had only now. errc::bad_usage for a name
/// that is there already, bad_config for a file that is broken, io_error where the system gives no
/// random numbers.
result<std::string> make_key(const std::string& file, access_key rights, secret_source&);

} // namespace tayfa::access
