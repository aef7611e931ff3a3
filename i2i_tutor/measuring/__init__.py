"""What is measured, by which networks, how it is written down, and which claims it decides."""
