// Variables whose names begin like ours and that no owner has written: container platforms put some
// into every container for each service, and a service may be called anything.
//
//   Kubernetes, for each Service of the namespace (and Docker's links, in part):
//     NAME_SERVICE_HOST=10.96.0.7   NAME_SERVICE_PORT=8000   NAME_SERVICE_PORT_API=8000
//     NAME_PORT=tcp://10.96.0.7:8000
//     NAME_PORT_8000_TCP=tcp://10.96.0.7:8000   …_ADDR=10.96.0.7   …_PORT=8000   …_PROTO=tcp
//   Docker's links (--link, links: in a compose file):
//     ALIAS_NAME=/web/alias   ALIAS_ENV_WHATEVER=…, beside an ALIAS_PORT…
//
// The form of name and value together shows them, so that a slip of an owner is still found.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tayfa {

/// "tcp://10.0.0.1:8000", also udp and sctp, an IPv6 address with or without brackets: what a
/// platform says of a service, and no setting of ours ever is.
bool is_service_address(std::string_view value);

/// Whether a platform has written the entry name=value, seen among the whole environment (entries
/// "NAME=value").
bool is_written_by_platform(std::string_view name, std::string_view value,
                            std::span<const std::string> environment);

} // namespace tayfa
