"""The lab: real servers, real names and a small CA, in network namespaces of one machine.

Nothing of the machine is edited: addresses, resolv.conf and hosts live in private namespaces, so
a demo, a test run and the machine's own servers do not meet. Needs root and Debian's packages
(packaging/deps/packages.sh lab).
"""
