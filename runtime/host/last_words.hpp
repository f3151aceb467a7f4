// Ends the process when nothing else helps: after an uncaught exception (out of memory, most
// likely) or an abort() of a library. It exits with code 70 and a message instead of SIGABRT: the
// store recovers as after kill -9, engines die with this process, and its supervisor restarts it.
#pragma once

namespace tayfa {

/// Applies to the whole process; to be called first in main().
void end_with_last_words();
} // namespace tayfa
