// The keys file on disk: a private file of at most keys_bytes_max bytes.
#pragma once

#include "runtime/access/keys.hpp"
#include "runtime/base/private_file.hpp"

namespace tayfa::access {

using tayfa::file_stamp;
using tayfa::stamp_of;
using key_file = private_file;

inline result<key_file> read_key_file(const std::string& path) {
  return read_private_file(path, keys_bytes_max);
}

inline result<void> change_key_file(const std::string& path,
                                    const std::function<result<std::string>(std::string)>& change) {
  return change_private_file(path, keys_bytes_max, change);
}

} // namespace tayfa::access
