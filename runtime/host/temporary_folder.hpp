// Temporary folders that live no longer than one process: private to this user, and removed as a
// whole with any content.
#pragma once

#include "messages/error.hpp"

#include <string>

namespace tayfa {

/// Mode 0700; missing parents are made. An existing folder must be ours. errc::storage_full,
/// unavailable for a shortage that may pass (descriptors or memory), io_error otherwise, with the
/// path and the system's reason.
result<void> make_private_folder(const std::string& path);

/// Removes the folder with all its contents. Links are removed but never followed, file systems
/// mounted inside are left alone, folders without permissions are opened up, any depth works. True
/// when nothing is left of it.
bool remove_tree(const std::string& path);

} // namespace tayfa
