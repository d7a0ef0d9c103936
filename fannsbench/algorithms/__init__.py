"""All algorithms as one package, wherever their folders lie: bundled ones beside this file after an
install, in the checkout's `algorithms/`, or in the folders named by $FANNSBENCH_PLUGINS."""

from fannsbench import folders

__path__ += [str(folder) for folder in (folders.bundled("algorithms"), *folders.user_plugins())]
