"""What a crossbar is made of besides its devices: mappings of weights to cells, and wires."""
