// The head that a pod has joined, in a file of the pod's folder: where it is, its key, and the name
// that it knows the pod by. With it a pod starts again without a join string.
#pragma once

#include "messages/error.hpp"

#include <string>
#include <vector>

namespace tayfa::pods {

struct known_head {
  std::string key;                    ///< public, Z85
  std::string pod;                    ///< name of this pod
  std::vector<std::string> addresses; ///< "HOST:PORT", in the order in which they are tried
  bool operator==(const known_head&) const = default;
};

/// errc::not_found when the pod has not joined; bad_config for a file that is damaged or that
/// others may write.
result<known_head> read_known_head(const std::string& folder);
/// Durable, and readable by its owner only.
result<void> write_known_head(const std::string& folder, const known_head&);

} // namespace tayfa::pods
