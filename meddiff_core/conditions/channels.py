"""The layout of the network's input `(B, C, X, Y, Z)`: `[noisy, px, py, pz, anatomy, control...]`.

Everything spatial is a channel, so that windows, flips, resizes and padding treat image and conditions
alike.
"""

NOISY = slice(0, 1)
"""The noisy image, in [-1, 1] scale."""
POSITION = slice(1, 4)
"""Coordinates x, y, z in [-1, 1]."""
ANATOMY = slice(4, 5)
"""The anatomy label; 0 is the null label."""
CONTROL = slice(5, None)
"""What a ControlNet takes."""
CONDITIONS = slice(ANATOMY.start, None)
"""All that follows the coordinates: anatomy and control."""
