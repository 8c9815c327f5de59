# What `cmake --install` puts in place beside the plugins (each plugin installs itself).
